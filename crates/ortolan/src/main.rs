//! ortolan

fn main() {}
