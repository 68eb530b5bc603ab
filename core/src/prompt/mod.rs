//! What of all that is known goes into one prompt.
