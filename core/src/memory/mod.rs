//! What the user said, kept and found again.
