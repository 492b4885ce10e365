//! The `gapferry` command: everything is in [`gapferry::cli`].

fn main() {}
