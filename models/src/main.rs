//! The desktop tool `aloe`.

fn main() {}
