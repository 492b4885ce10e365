//! The proof that something was verified.

/// A value that was verified, or that was made from nothing but verified values.
///
/// Only this module makes one, so a function that takes a `Verified<T>` cannot be handed bytes
/// that nobody checked. Neither its constructor nor its field can be had elsewhere
/// (`tests/forged.rs` holds each of these to the error that it gives):
///
/// ```compile_fail,E0624
/// let forged = gapferry::trust::Verified::new(b"bytes from a stick".to_vec());
/// ```
///
/// ```compile_fail,E0423
/// let forged = gapferry::trust::Verified(b"bytes from a stick".to_vec());
/// ```
///
/// ```compile_fail,E0451
/// let forged = gapferry::trust::Verified { 0: b"bytes from a stick".to_vec() };
/// ```
///
/// ```compile_fail,E0616
/// # use gapferry::trust::{Signed, Verified};
/// fn forge(mut verified: Verified<Signed>) -> Verified<Signed> {
///     verified.0.message = b"bytes from a stick".to_vec();
///     verified
/// }
/// ```
///
/// ```compile_fail,E0624
/// # use gapferry::trust::{Signed, Verified};
/// fn forge(verified: Verified<Signed>) -> Verified<Vec<u8>> {
///     verified.try_map(|_| Ok::<_, ()>(b"bytes from a stick".to_vec())).unwrap()
/// }
/// ```
///
/// What was verified can be looked at and taken out; it cannot be put back:
///
/// ```
/// # use gapferry::trust::{Signed, Verified};
/// fn take(verified: Verified<Signed>) -> Vec<u8> {
///     let _length = verified.get().message.len();
///     verified.into_inner().message
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Says that `value` is verified. The one place to look at when asking who may say so.
    pub(super) fn new(value: T) -> Verified<T> {
        Verified(value)
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// What `make` makes of the value, as verified as the value was: `make` must bring in nothing
    /// from elsewhere. For [`crate::verify`] alone.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn try_map<U, E>(
        self,
        make: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Verified<U>, E> {
        Ok(Verified(make(self.0)?))
    }
}
