//! The command `weir`.

fn main() -> std::process::ExitCode {
    weir::command::main()
}
