"""The messages of TF Serving's configuration files, as protobuf classes.

tensorflow-serving-api holds ModelServerConfig. The others are declared here, field by field as the
server of 2.15 reads them: session_bundle_config.proto, monitoring_config.proto, ssl_config.proto.
"""

from __future__ import annotations

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
MESSAGES = {
    "BatchingParameters": [
        ("max_batch_size", 1, "Int64Value"),
        ("batch_timeout_micros", 2, "Int64Value"),
        ("max_enqueued_batches", 3, "Int64Value"),
        ("num_batch_threads", 4, "Int64Value"),
        ("thread_pool_name", 5, "StringValue"),
        ("allowed_batch_sizes", 6, "repeated int64"),
        ("pad_variable_length_inputs", 7, "bool"),
    ],
    "PrometheusConfig": [("enable", 1, "bool"), ("path", 2, "string")],
    "MonitoringConfig": [("prometheus_config", 1, "PrometheusConfig")],
    "SSLConfig": [
        ("server_key", 1, "string"),
        ("server_cert", 2, "string"),
        ("custom_ca", 3, "string"),
        ("client_verify", 4, "bool"),
    ],
}
SCALARS = {"int64": FIELD.TYPE_INT64, "bool": FIELD.TYPE_BOOL, "string": FIELD.TYPE_STRING}


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="lnmn_test/serving_config.proto", package="tensorflow.serving", syntax="proto3"
    )
    file.dependency.append("google/protobuf/wrappers.proto")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            repeated = kind.startswith("repeated ")
            field.label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            kind = kind.split()[-1]
            if kind in SCALARS:
                field.type = SCALARS[kind]
            else:
                field.type = FIELD.TYPE_MESSAGE
                package = "google.protobuf" if kind.endswith("Value") else "tensorflow.serving"
                field.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    return pool


_POOL = _pool()


def parse(name: str, text: str):
    """A message of text; `text_format.ParseError` for a field that it does not have."""
    if name == "ModelServerConfig":
        message = model_server_config_pb2.ModelServerConfig()
    else:
        descriptor = _POOL.FindMessageTypeByName(f"tensorflow.serving.{name}")
        message = message_factory.GetMessageClass(descriptor)()
    return text_format.Parse(text, message)
