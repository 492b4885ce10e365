//! What takes minutes: run by `tests/run --slow`.
