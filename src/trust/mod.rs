//! Keys, signatures and the proof of verification.
