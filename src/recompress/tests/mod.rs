//! Every encoder against what its original made of the same inputs.

mod go;
mod inputs;
mod klauspost;
mod vectors;

pub use inputs::input;
pub use vectors::{column, column_up_to, is_copy, stream, sum, write_sizes};
