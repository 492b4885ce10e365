//! `go-flate-1`: Go's `compress/flate` from 1.7 to 1.26, all levels.
//!
//! Plain bytes are taken as they come; nothing is read from them but their values, so no input can
//! do harm. What is held does not depend on them either: 1.1 MiB at most.
//!
//! The original's output depends on the sizes of writes in one rare case, when a write ends within
//! 262 bytes of the window's end; here every write is as if it filled the window.

mod block;
mod chains;
mod finder;
mod pieces;
#[cfg(test)]
mod tests;
mod tokens;
mod window;

use super::{Encode, Start};

/// The encoder at a level from -2 to 9, at the start of a stream. None at any other level.
pub fn encoder(level: i32) -> Option<Box<dyn Encode>> {
    Some(match level {
        -2 => Box::new(pieces::Pieces::new(pieces::Kind::Literals)),
        0 => Box::new(pieces::Pieces::new(pieces::Kind::Stored)),
        1 => Box::new(pieces::Pieces::new(pieces::Kind::fast())),
        2 | 3 => Box::new(chains::Chains::<finder::Chains>::new(chains::Depth::of(level)?)),
        _ => return resume(level, &Start { plain: 0, bit: 0, before: &[] }),
    })
}

/// The encoder at a level from 4 to 9, or -1, that takes up a stream where a block starts. At the
/// other levels, and without enough plain bytes before, there is none.
pub fn resume(level: i32, start: &Start) -> Option<Box<dyn Encode>> {
    let depth = chains::Depth::of(level).filter(chains::Depth::is_lazy)?;
    // Further chains cost time that only longer walks make up for.
    Some(match level {
        7.. => Box::new(chains::Chains::<finder::Deep>::resume(depth, start)?),
        _ => Box::new(chains::Chains::<finder::Chains>::resume(depth, start)?),
    })
}

/// An array too large for the stack.
fn boxed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    let boxed = vec![T::default(); N].into_boxed_slice().try_into();
    boxed.unwrap_or_else(|_| unreachable!("it has that many"))
}
