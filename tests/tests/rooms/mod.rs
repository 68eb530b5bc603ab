//! Who may import whom.

/// Rooms of the core, and the rooms that each may know beside itself.
pub(crate) const CORE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("message", &[]),
    ("prompt", &["error", "message"]),
    ("engine", &["error", "message"]),
    ("memory", &["error", "message"]),
    ("session", &["prompt", "engine", "memory", "error", "message"]),
];

/// Rooms of the desktop tool. `main` wires all of them and is not listed.
pub(crate) const MODELS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("manifest", &["error"]),
    ("output", &["error"]),
    ("cache", &["error"]),
    ("pins", &["error"]),
    ("catalogue", &["manifest", "error"]),
    ("cli", &["output", "record"]),
    ("settings", &["catalogue", "cli", "error"]),
    ("random", &[]),
    ("record", &[]),
    ("preset", &["error"]),
    ("run_dir", &["error"]),
    ("provider", &["preset", "random", "record", "run_dir", "settings", "source", "error"]),
    ("roleplay", &["provider", "record"]),
    // Stages share records and files; none knows another.
    ("persona", &["preset", "provider", "random", "record", "run_dir", "error"]),
    ("dialogue", &["preset", "provider", "random", "record", "roleplay", "run_dir", "error"]),
    ("dataset", &["preset", "random", "record", "run_dir", "error"]),
    ("weights", &["error"]),
    ("train", &["random", "run_dir", "weights", "error"]),
    ("export", &["run_dir", "train", "weights", "error"]),
    ("evaluation", &["provider", "random", "record", "roleplay", "run_dir", "error"]),
    // Looks at what all stages left, and makes nothing.
    ("view", &["dialogue", "persona", "provider", "record", "run_dir", "error"]),
    ("source", &["cache", "manifest", "output", "settings", "error"]),
    ("store", &["cache", "manifest", "output", "pins", "settings", "source", "error"]),
    (
        "commands",
        &[
            "cache",
            "catalogue",
            "cli",
            "dataset",
            "dialogue",
            "export",
            "evaluation",
            "manifest",
            "output",
            "persona",
            "preset",
            "provider",
            "random",
            "record",
            "roleplay",
            "run_dir",
            "settings",
            "store",
            "train",
            "view",
            "error",
        ],
    ),
];

/// Rooms of the bindings: what carries calls knows nothing of what they are about.
pub(crate) const BINDINGS: &[(&str, &[&str])] = &[
    ("bin", &[]),
    ("error", &[]),
    ("cancel", &[]),
    ("calls", &["cancel", "error"]),
    ("records", &[]),
    ("user_message", &[]),
    ("induction", &[]),
    ("secret", &[]),
    ("store", &["calls", "error", "secret"]),
    ("params", &["error", "induction", "store"]),
    ("model_file", &["calls", "error", "params"]),
    ("pump", &["error", "records", "reply"]),
    ("reply", &["error", "pump", "records"]),
    ("session", &["assistant", "calls", "cancel", "error", "params", "pump", "records", "reply", "user_message"]),
    ("persona", &["assistant", "calls", "cancel", "error", "records"]),
    ("assistant", &["calls", "cancel", "error", "induction", "model_file", "params", "persona", "session", "store"]),
    ("testing", &["assistant", "calls", "error", "induction", "store"]),
];
