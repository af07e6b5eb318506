//! The program `enforcegate-engine`.

fn main() {}
