"""The network that a run's features came from, in front of its model."""

from __future__ import annotations

from lnmn_tf.config.export import ExportConfig
from lnmn_tf.config.features import FeaturesConfig
from lnmn_tf.data.feature_manifest import FeatureIdentity, check_same_identity
from lnmn_tf.errors import InputError
from lnmn_tf.features.backbone import Backbone
from lnmn_tf.training.trained import TrainedRun


def backbone_of(run: TrainedRun, options: ExportConfig) -> Backbone:
    """The network that makes, of pictures, the features that a run was trained on.

    A run that knows where its features came from gets that network and no other. For one of features
    whose file did not say, the flags say it, and only the shape can be checked.

    Args:
        run: with a model of features.
        options: with the weights, or "" for the network's usual ones.

    Raises:
        InputError: a model of pictures, weights that are missing, or another network than the features
            came from.
    """
    model, given = run.config.model, options.features
    if model.image_height:
        raise InputError(
            f"--with_backbone is given, but the model of {run.run_dir} reads pictures itself; expected "
            "a run with --features"
        )
    if not model.feature_identity:
        backbone = Backbone(
            given.backbone,
            given.backbone_layer,
            preprocessing=given.preprocessing,
            weights=given.backbone_weights,
        )
    else:
        identity = FeatureIdentity.from_text(model.feature_identity, str(run.run_dir))
        if given.backbone not in (FeaturesConfig.backbone, identity.backbone):
            raise InputError(
                f"--backbone is {given.backbone!r}, but {run.run_dir} was trained on features of "
                f"{identity}; expected the same"
            )
        rows, columns = map(int, identity.image_size.split("x"))
        backbone = Backbone(
            identity.backbone,
            identity.layer,
            (rows, columns),
            identity.preprocessing,
            given.backbone_weights,
        )
        where = given.backbone_weights or "--with_backbone"
        check_same_identity(model.feature_identity, backbone.identity.to_text(), where)
    if backbone.feature_shape != tuple(model.feature_shape):
        raise InputError(
            f"--with_backbone makes features of the shape {list(backbone.feature_shape)} "
            f"({backbone.identity}), but the run was trained on {list(model.feature_shape)}; expected "
            "the --backbone and layer that its features came from"
        )
    return backbone
