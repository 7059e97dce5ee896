"""How a network sees: its filters, feature maps, receptive fields, top patches, reconstructions, and dissection.

The names below are imported when they are first used.
"""

from kerasviz.lazy import lazily as _lazily

_HOME = {
    "Activations": "maps.activations",
    "ChannelStatistics": "maps.channels",
    "Comparison": "dissection.comparing",
    "Correspondence": "changes.correspondence",
    "Counts": "dissection.counting",
    "Dissection": "dissection.record",
    "FeatureMaps": "maps.feature_maps",
    "FieldTable": "fields",
    "Filters": "weights.filter_set",
    "GaborFits": "weights.gabor",
    "Invariance": "changes.invariance",
    "Reconstruction": "units.reconstruction",
    "Reconstructions": "units.reconstructions",
    "TopActivations": "units.top_activations",
    "TopReconstructions": "units.top_reconstructions",
    "above_chance": "dissection.counting",
    "channel_statistics": "maps.channels",
    "compare": "dissection.comparing",
    "correspondence": "changes.correspondence",
    "count_detectors": "dissection.counting",
    "dissect": "dissection.running",
    "filters": "weights.filters",
    "fit_gabor": "weights.gabor",
    "invariance": "changes.invariance",
    "random_rotation": "dissection.rotation",
    "receptive_fields": "fields",
    "reconstruct_top": "units.top_reconstructions",
    "top_activations": "units.top_activations",
    "write_csv": "dissection.tables",
    "write_json": "dissection.tables",
    "write_report": "dissection.report",
}

__getattr__, __dir__, __all__ = _lazily(__name__, _HOME)
