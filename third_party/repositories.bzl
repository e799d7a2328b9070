"""Repositories that are written here: for Bazel 4.2 without a network, and of requirements*.txt.

Debian's Bazel asks for rules_cc, rules_java and remote_coverage_tools even where only Python is
built. The rules themselves are part of it, so that repositories which name them will do.
"""

def _write_stub(repository_ctx):
    for path, text in repository_ctx.attr.files.items():
        repository_ctx.file(path, text)

_stub = repository_rule(
    implementation = _write_stub,
    attrs = {"files": attr.string_dict()},
)

_CC = ["cc_binary", "cc_import", "cc_library", "cc_test", "cc_toolchain", "cc_toolchain_suite"]
_JAVA = ["java_binary", "java_import", "java_library", "java_runtime", "java_toolchain"]
_PYTHON = ["py_binary", "py_library", "py_test"]

_PUBLIC = """{rule}(name = "{name}", visibility = ["//visibility:public"])\n"""

def _native(rules):
    return "".join(["{0} = native.{0}\n".format(rule) for rule in rules])

def stub_repositories():
    """What Bazel 4.2 would fetch."""
    toolchain = _PUBLIC.format(rule = "toolchain_type", name = "toolchain_type")
    coverage = _PUBLIC.format(rule = "filegroup", name = "coverage_report_generator")
    _stub(name = "rules_cc", files = {"cc/BUILD": toolchain, "cc/defs.bzl": _native(_CC)})
    _stub(name = "rules_java", files = {"java/BUILD": "", "java/defs.bzl": _native(_JAVA)})
    _stub(name = "rules_python", files = {"python/BUILD": "", "python/defs.bzl": _native(_PYTHON)})
    _stub(name = "remote_coverage_tools", files = {"BUILD": coverage})

def _read_pins(repository_ctx):
    """The lines `name==version` of all files; a marker may follow."""
    texts = [repository_ctx.read(file) for file in repository_ctx.attr.files]
    return [line for text in texts for line in text.split("\n") if "==" in line]

_REQUIREMENTS = """\
def requirement(name):
    return "@pip//:" + name.lower().replace("-", "_")

all_requirements = [requirement(name) for name in {names}]
"""

def _write_installed(repository_ctx):
    pins = _read_pins(repository_ctx)
    names = [pin.split("==")[0].lower().replace("-", "_") for pin in pins]
    targets = [_PUBLIC.format(rule = "py_library", name = name) for name in names]
    repository_ctx.file("BUILD", "".join(targets))
    repository_ctx.file("requirements.bzl", _REQUIREMENTS.format(names = repr(names)))

def _write_joined(repository_ctx):
    repository_ctx.file("BUILD", """exports_files(["requirements.txt"])\n""")
    repository_ctx.file("requirements.txt", "\n".join(_read_pins(repository_ctx)) + "\n")

_FILES = {"files": attr.label_list(allow_files = True)}

# Packages of the environment that is active when Bazel runs: targets without files, so that to
# require what is not pinned is an error.
installed_packages = repository_rule(
    implementation = _write_installed,
    attrs = _FILES,
)

# All pins in one file: the rules that fetch them do not follow its "-r".
joined_requirements = repository_rule(
    implementation = _write_joined,
    attrs = _FILES,
)
