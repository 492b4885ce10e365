//! Which exit code, stable code and hint an error of the library has. Decided here and nowhere
//! else.

mod audit;
mod bundle;
mod places;
mod policy;
mod trust;

use super::failure::{Exit, Failure};
use crate::files::FileError;
use crate::oci::{ContentError, InvalidPlatform, InvalidReference, ManifestError};
use crate::registry::RegistryError;
use crate::select::{LockError, SelectError, WishError};
use crate::trust::TrustError;

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Failure {
        let (exit, code) = match &error {
            TrustError::NotAKey { .. } => (Exit::Damaged, "not-a-key"),
            TrustError::NeedsPassphrase => (Exit::Usage, "needs-passphrase"),
            TrustError::WrongPassphrase => (Exit::Failed, "wrong-passphrase"),
            TrustError::UnsupportedAlgorithm(_) => (Exit::Damaged, "unsupported-algorithm"),
            TrustError::TooCostly => (Exit::Damaged, "key-too-costly"),
            TrustError::WeakKey => (Exit::Damaged, "weak-key"),
            TrustError::UnknownScheme(_) => (Exit::Usage, "unknown-scheme"),
            TrustError::InvalidKeyId(_) => (Exit::Usage, "invalid-key-id"),
            TrustError::NotMadeHere(_) => (Exit::Usage, "not-made-here"),
            TrustError::TwoRecords { .. } => (Exit::Usage, "two-records"),
            TrustError::InvalidThreshold { .. } => (Exit::Usage, "invalid-threshold"),
            TrustError::BadSignature { .. } => (Exit::Damaged, "bad-signature"),
            TrustError::MalformedSignature { .. } => (Exit::Damaged, "malformed-signature"),
            TrustError::Namespace { .. } => (Exit::Damaged, "wrong-namespace"),
            TrustError::NoTouch { .. } => (Exit::NotAllowed, "no-touch"),
            TrustError::Threshold { .. } => (Exit::NotAllowed, "threshold"),
            TrustError::Agent { .. } => (Exit::Failed, "agent"),
            TrustError::Program { .. } => (Exit::Failed, "signer-failed"),
            TrustError::Signer { .. } => (Exit::Failed, "signer-erred"),
            TrustError::Random(_) => (Exit::Failed, "no-random-bytes"),
        };
        let failure = Failure::new(exit, code, &error);
        match error {
            TrustError::NotAKey { wanted: "public key", .. } => {
                failure.hint("give the .pub file that `gapferry key new` or ssh-keygen wrote")
            }
            TrustError::NeedsPassphrase => failure.hint("give --passphrase-file FILE"),
            TrustError::UnsupportedAlgorithm(_) => {
                failure.hint("make a key with `gapferry key new`")
            }
            TrustError::NotMadeHere(_) => {
                failure.hint("make it with ssh-keygen -t ed25519, or -t ecdsa -b 384")
            }
            TrustError::TwoRecords { .. } => failure.hint("keep one of the two"),
            TrustError::MalformedSignature { .. } => failure
                .hint("sign with `gapferry sign`, `gapferry trust sign` or `ssh-keygen -Y sign`"),
            TrustError::Namespace { wanted, .. } => failure.hint(format!(
                "it was made for something else; sign with `ssh-keygen -Y sign -n {}`",
                wanted.namespace()
            )),
            TrustError::NoTouch { .. } => failure.hint(
                "sign again with a touch; or say `no-touch-required` in your record of the key",
            ),
            TrustError::Agent { .. } => failure.hint("see `ssh-add -l`; is SSH_AUTH_SOCK right?"),
            TrustError::Program { .. } => failure.hint("nothing was sealed; run it by itself"),
            TrustError::Signer { .. } => {
                failure.hint("nothing was sealed; does the public key belong to the private one?")
            }
            TrustError::BadSignature { .. } => {
                failure.hint("the bundle was changed after it was signed; fetch it anew")
            }
            TrustError::Threshold { .. } => {
                failure.hint("is the right public key given? see `gapferry key show`")
            }
            _ => failure,
        }
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Failure {
        let failure = |exit, code| Failure::new(exit, code, &error);
        match error {
            SelectError::Source { name, error } => Failure::from(error).at(name),
            SelectError::Config { name, config, error } => {
                read(error).at(format!("{name}: config {config}"))
            }
            SelectError::OtherDigest { .. } => failure(Exit::Damaged, "other-digest"),
            SelectError::NoPlatform { .. } => {
                failure(Exit::Failed, "no-platform").hint("choose a platform that is there")
            }
            SelectError::TooDeep { .. } => failure(Exit::Damaged, "too-deep"),
            SelectError::TooMany { .. } => failure(Exit::Damaged, "too-many-documents"),
            SelectError::Conflict { .. } => failure(Exit::Usage, "conflict")
                .hint("keep one of the two, or give one of them another tag"),
            SelectError::Wish { why, error } => Failure::from(error).at(why),
            SelectError::NoMatch { .. } => failure(Exit::Failed, "no-match")
                .hint("see which tags there are, and mend the pattern"),
            SelectError::Undated { .. } => {
                failure(Exit::Failed, "undated").hint("choose by names or versions instead")
            }
            SelectError::File(error) => error.into(),
            SelectError::Chart { why, error } => Failure::from(error).at(why),
            SelectError::UnknownKind { .. } => failure(Exit::Usage, "unknown-list")
                .hint("say which kind it is: -f KIND:FILE; see docs/guides/selecting.md"),
            SelectError::Nothing { .. } => failure(Exit::Usage, "no-images"),
            SelectError::Yaml { .. } | SelectError::Format { .. } => {
                failure(Exit::Usage, "bad-list")
            }
            SelectError::List { .. } => failure(Exit::Usage, "bad-list"),
            SelectError::Lock { error: LockError::Version(_), .. } => {
                failure(Exit::Damaged, "lock-version")
                    .hint("read it with the gapferry that wrote it, or lock anew")
            }
            SelectError::Lock { .. } => {
                failure(Exit::Damaged, "bad-lock").hint("make it anew with `gapferry lock`")
            }
        }
    }
}

impl From<WishError> for Failure {
    fn from(error: WishError) -> Failure {
        match error {
            WishError::Location(error) => error.into(),
            WishError::Reference(error) => error.into(),
            WishError::Pattern(_) | WishError::Misplaced(_) => {
                Failure::new(Exit::Usage, "bad-pattern", error)
                    .hint("see docs/guides/selecting.md; in a shell, put patterns in single quotes")
            }
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        match &error {
            FileError::Io { .. } => Failure::new(Exit::Failed, "file", error),
            FileError::NotRegular { .. } => Failure::new(Exit::Damaged, "not-a-file", error),
            FileError::Locked { .. } => Failure::new(Exit::Failed, "state-locked", error)
                .hint("another command works with this state: run it again when that has ended"),
            FileError::Busy { .. } => Failure::new(Exit::Failed, "busy", error)
                .hint("wait until it is done, or see what it is"),
        }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Failure {
        match &error {
            ManifestError::Schema1(_) => Failure::new(Exit::Damaged, "schema1", error),
            _ => Failure::new(Exit::Damaged, "bad-manifest", error),
        }
    }
}

impl From<ContentError> for Failure {
    fn from(error: ContentError) -> Failure {
        Failure::new(Exit::Damaged, "bad-content", error)
    }
}

impl From<InvalidReference> for Failure {
    fn from(error: InvalidReference) -> Failure {
        Failure::new(Exit::Usage, "invalid-reference", error)
    }
}

impl From<InvalidPlatform> for Failure {
    fn from(error: InvalidPlatform) -> Failure {
        Failure::new(Exit::Usage, "invalid-platform", error)
    }
}

/// Content that cannot be read is the system's fault, unless what went wrong says otherwise.
fn read(error: std::io::Error) -> Failure {
    if let Some(content) = ContentError::inside(&error) {
        return content.clone().into();
    }
    match error.downcast::<RegistryError>() {
        Ok(inside) => inside.into(),
        Err(error) => Failure::new(Exit::Failed, "read", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Reference};
    use crate::source::SourceError;
    use crate::target::TargetError;

    #[test]
    fn a_failure_keeps_what_the_library_said() {
        let name: Reference = "quay.io/a:1".parse().unwrap();
        let error = SourceError::Manifest(ManifestError::Schema1(Digest::of(b"")));
        let error = SelectError::Source { name, error };
        let message = error.to_string();
        let failure = Failure::from(error);
        assert_eq!((failure.exit, failure.code), (Exit::Damaged, "schema1"));
        assert_eq!(failure.message, message);
    }

    #[test]
    fn other_content_is_damage_and_a_dead_line_is_not() {
        let digest = Digest::of(b"");
        let long = ContentError::Long { digest, expected: 0 };
        let damaged = TargetError::Read(std::io::Error::other(long));
        assert_eq!(Failure::from(damaged).exit, Exit::Damaged);
        let dead = TargetError::Read(std::io::Error::other("the line went dead"));
        assert_eq!(Failure::from(dead).exit, Exit::Failed);
    }

    #[test]
    fn too_few_signatures_are_not_damage() {
        let few = TrustError::Threshold { needed: 2, valid: 1, unknown: 0 };
        assert_eq!(Failure::from(few).exit, Exit::NotAllowed);
        let key_id = "ab".repeat(32).parse().unwrap();
        assert_eq!(Failure::from(TrustError::BadSignature { key_id }).exit, Exit::Damaged);
    }
}
