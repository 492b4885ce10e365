//! The `gapferry` command: everything is in [`gapferry::cli`].

fn main() -> std::process::ExitCode {
    gapferry::cli::main()
}
