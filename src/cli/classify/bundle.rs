//! Errors of bundles: writing, verifying, loading.

use super::super::failure::{Exit, Failure};
use super::read;
use crate::bundle::{CatalogError, MediumError, WriteError};
use crate::drill::DrillError;
use crate::export::{ExportError, JournalError};
use crate::import::{ImportError, InvalidMapping};
use crate::memory::MemoryError;
use crate::parity::ParityError;
use crate::recompress::StreamError;
use crate::repack::RepackError;
use crate::serve::{ServeError, TlsError, UsersError};
use crate::sign::SignError;
use crate::stage::StageError;
use crate::unpack::UnpackError;
use crate::verify::VerifyError;

const BASE_FIRST: &str =
    "it is a delta: import it where the bundle that it builds upon was imported";
const MADE_WRONG: &str = "the bundle's maker erred, for this was signed so; have it made anew";
const FETCH_ANEW: &str = "nothing of it was used; fetch the bundle anew, or make it anew";

impl From<MediumError> for Failure {
    fn from(error: MediumError) -> Failure {
        match error {
            MediumError::File(error) => error.into(),
            MediumError::Empty(_) => Failure::new(Exit::Damaged, "no-bundle", error)
                .hint("name the directory or the archive that gapferry wrote"),
            MediumError::Extra(_) => Failure::new(Exit::Damaged, "extra-file", error)
                .hint("move it elsewhere if you know it, else do not trust the medium"),
            MediumError::Framing { .. } => {
                Failure::new(Exit::Damaged, "bad-archive", error).hint(FETCH_ANEW)
            }
            MediumError::Twice { .. } => Failure::new(Exit::Damaged, "two-bundles", error)
                .hint("give the places of one bundle only"),
            MediumError::TooMany => Failure::new(Exit::Damaged, "too-many-files", error),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        match error {
            ServeError::Listen { .. } => Failure::new(Exit::Failed, "serve", error)
                .hint("is the address this machine's, and free? choose one with --listen"),
            ServeError::Layout(error) => error.into(),
            ServeError::Clash { .. } => {
                Failure::new(Exit::Usage, "conflict", error).hint("serve them at two addresses")
            }
            ServeError::Base { .. } => Failure::new(Exit::NotAllowed, "base-missing", error)
                .hint("name the bundles that it builds upon too"),
        }
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Failure {
        Failure::new(Exit::Usage, "bad-certificate", error)
            .hint("PEM is read: the server's certificate first, and its key without a passphrase")
    }
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Failure {
        Failure::new(Exit::Usage, "bad-htpasswd", error).hint("make it with `htpasswd -B`")
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Failure {
        use VerifyError as E;
        let (exit, code, hint) = match &error {
            E::Medium(_) | E::File(_) | E::Trust(_) | E::Chain(_) | E::Content { .. } => {
                return inner(error);
            }
            E::Signatures { .. } => (Exit::Damaged, "too-many-signatures", FETCH_ANEW),
            E::Seal(_) => (Exit::Damaged, "bad-seal", FETCH_ANEW),
            E::Sums(_) => (Exit::Damaged, "bad-sums", FETCH_ANEW),
            E::Lading(_) => (Exit::Damaged, "bad-lading", FETCH_ANEW),
            E::Catalog(CatalogError::Needs(_)) => {
                (Exit::Failed, "needs-newer", "use a newer gapferry")
            }
            E::Catalog(_) => (Exit::Damaged, "bad-catalog", FETCH_ANEW),
            E::Chunks(_) => (Exit::Damaged, "bad-chunks", FETCH_ANEW),
            E::Index(_) => (Exit::Damaged, "bad-index", FETCH_ANEW),
            E::Manifest { .. } => (Exit::Damaged, "bad-manifest", FETCH_ANEW),
            E::Story(_) => (Exit::Damaged, "contradiction", FETCH_ANEW),
            E::Expired { .. } => {
                (Exit::NotAllowed, "expired", "ask for a new bundle; is the clock right?")
            }
            E::Destination { .. } => (
                Exit::NotAllowed,
                "wrong-destination",
                "if this is that site, say so with --site NAME",
            ),
            E::AtDestination(_) => (Exit::NotAllowed, "base-missing", BASE_FIRST),
            E::Remade { .. } | E::Inflate { .. } => (Exit::Damaged, "bad-layer", MADE_WRONG),
            E::Recipe { .. } => (Exit::Damaged, "bad-catalog", FETCH_ANEW),
            E::Frame { .. } => (Exit::Damaged, "bad-pack", MADE_WRONG),
            E::Encoder { .. } => (Exit::Failed, "needs-newer", "use a newer gapferry"),
            E::Destroyed { .. } => (
                Exit::Failed,
                "target-damaged",
                "what the target holds has changed since it was imported; mend the target, or \
                 import a bundle that is no delta",
            ),
            E::TrustNumber(_) => {
                (Exit::NotAllowed, "unknown-trust", "accept the trust documents of its maker first")
            }
            E::UnknownStream { .. } => (
                Exit::NotAllowed,
                "unknown-stream",
                "see the streams with `gapferry trust show`; is a newer document on its way?",
            ),
            E::Sealers { .. } => (
                Exit::NotAllowed,
                "stream-threshold",
                "see who may seal it with `gapferry trust show`; `gapferry sign` adds signatures",
            ),
            E::KeysPast { .. } => (
                Exit::NotAllowed,
                "key-not-valid",
                "a newer trust document must name other keys; is the clock right?",
            ),
            E::DocumentEpoch { .. } => {
                (Exit::NotAllowed, "wrong-epoch", "ask for a bundle of the epoch that is named")
            }
            E::Epoch { .. } => (
                Exit::NotAllowed,
                "unknown-epoch",
                "only a trust document changes the epoch; ask the maker, by another way",
            ),
            E::Replayed { .. } => (
                Exit::NotAllowed,
                "replayed",
                "ask for the newest bundle; --restore verifies an old one, and imports it to another \
                 target",
            ),
            E::RestoreOwnTarget { .. } => {
                (Exit::NotAllowed, "restore-own-target", "restore to a target that is new")
            }
            E::Equivocation { .. } => (
                Exit::NotAllowed,
                "equivocation",
                "keep both bundles and ask the maker, by another way, which is right and who else \
                 has the keys",
            ),
            E::Missing { .. } => (
                Exit::Damaged,
                "missing",
                "give every place that holds a part of the bundle; if all are given, fetch it anew",
            ),
            E::Volumes(_) => (
                Exit::Damaged,
                "missing",
                "insert it and give its place too; or copy one medium after the other to a directory, \
                 with `gapferry stage`",
            ),
            E::Extra { .. } => (Exit::Damaged, "extra-file", "give the places of one bundle only"),
            E::Size { .. } => (Exit::Damaged, "wrong-size", FETCH_ANEW),
            E::TooLarge { .. } => (Exit::Damaged, "too-large", FETCH_ANEW),
            E::Damaged { .. } => (Exit::Damaged, "damaged", FETCH_ANEW),
        };
        Failure::new(exit, code, error).hint(hint)
    }
}

fn inner(error: VerifyError) -> Failure {
    match error {
        VerifyError::Medium(error) => error.into(),
        VerifyError::File(error) => error.into(),
        VerifyError::Trust(error) => error.into(),
        VerifyError::Chain(error) => error.into(),
        VerifyError::Content { digest, error } => read(error).at(digest),
        error => Failure::new(Exit::Damaged, "bad-bundle", error),
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        match error {
            WriteError::File(error) => error.into(),
            WriteError::Exists(_) => Failure::new(Exit::Failed, "exists", error)
                .hint("choose another place, or remove what is there"),
            WriteError::VolumeTooSmall { .. } => {
                Failure::new(Exit::Usage, "volume-too-small", error)
                    .hint("choose a larger --volume-size")
            }
            WriteError::NoRoom { .. } => Failure::new(Exit::Failed, "no-space", error)
                .hint("name more or larger media; or choose a smaller --volume-size"),
            WriteError::NotChanged(_) => Failure::new(Exit::Failed, "no-medium", error),
            WriteError::OtherMedium(_) => Failure::new(Exit::Usage, "other-medium", error)
                .hint("name the same media in the same order; or begin anew with --restart"),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        let hint = "to give it up and begin anew: --restart";
        match error {
            JournalError::File(error) => error.into(),
            JournalError::Malformed(_) => {
                Failure::new(Exit::Damaged, "bad-journal", error).hint(hint)
            }
            JournalError::Other(_) => Failure::new(Exit::Usage, "other-export", error)
                .hint(format!("to go on with it, name the same images and options; {hint}")),
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Failure {
        match error {
            ExportError::Source { name, error } => Failure::from(error).at(name),
            ExportError::Absent(_) => Failure::new(Exit::Failed, "not-found", error)
                .hint("see what has moved with `gapferry lock --check`, and lock anew"),
            ExportError::Read { name, blob, error } => {
                read(error).at(format!("{name}: blob {blob}"))
            }
            ExportError::Held(StreamError::Read(error)) => {
                read(error).at("a layer that was fetched")
            }
            ExportError::Held(error) => Failure::new(Exit::Failed, "scratch", error)
                .hint("does anything else write to the scratch directory?"),
            ExportError::Write(error) => error.into(),
            ExportError::File(error) => error.into(),
            ExportError::Journal(error) => error.into(),
            ExportError::Sign(error) => error.into(),
            ExportError::UnknownStream { .. } => {
                Failure::new(Exit::NotAllowed, "unknown-stream", error)
                    .hint("name one with --stream; see them with `gapferry trust show`")
            }
            ExportError::MayNotSeal { .. } => Failure::new(Exit::NotAllowed, "may-not-seal", error)
                .hint("nothing was written; see who may with `gapferry trust show`"),
            ExportError::Nothing => {
                Failure::new(Exit::Usage, "no-images", error).hint("name images, a list or a lock")
            }
            ExportError::Incomplete { .. } => {
                Failure::new(Exit::Damaged, "incomplete", error).hint("lock the image anew")
            }
            ExportError::Sizes { .. } => Failure::new(Exit::Damaged, "contradiction", error),
            ExportError::Unsupported { .. } => {
                Failure::new(Exit::Failed, "unsupported-digest", error)
            }
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Failure {
        match error {
            ImportError::Mapping(error) => error.into(),
            ImportError::Collision(_) => Failure::new(Exit::Usage, "collision", error)
                .hint("give one of them another place with --map FROM=TO, or all with --keep-host"),
            ImportError::NotAboard(_) => Failure::new(Exit::Usage, "not-aboard", error)
                .hint("see the names with `gapferry inspect`"),
            ImportError::Base { .. } => {
                Failure::new(Exit::NotAllowed, "base-missing", error).hint(BASE_FIRST)
            }
            ImportError::Lost { .. } => Failure::new(Exit::Damaged, "image-lost", error).hint(
                "mend the medium or fetch the bundle anew, and import it again: what is there \
                 already is not sent again",
            ),
            ImportError::Verify(error) => error.into(),
            ImportError::Target { at, error } => Failure::from(error).at(at),
            ImportError::Sparse { at, error } => {
                let failure = Failure::from(error).at(format!("{at} lacks platforms of its index"));
                failure.hint("export all platforms, or one alone: this registry takes no less")
            }
            ImportError::ReadBack { .. } => Failure::new(Exit::Failed, "read-back", error)
                .hint("does somebody else write to the target?"),
        }
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Failure {
        let hint = "nothing was imported; find out who changed it, and compare the head with your \
                    records; then restore it from a copy";
        match error {
            MemoryError::File(error) => error.into(),
            MemoryError::Version
            | MemoryError::Line { .. }
            | MemoryError::Missing { .. }
            | MemoryError::Head => Failure::new(Exit::Damaged, "bad-memory", error).hint(hint),
            MemoryError::Contradiction => Failure::new(Exit::Failed, "memory", error),
            MemoryError::Full => Failure::new(Exit::Failed, "memory", error)
                .hint("keep it, and begin a new one with --state DIR"),
        }
    }
}

impl From<InvalidMapping> for Failure {
    fn from(error: InvalidMapping) -> Failure {
        Failure::new(Exit::Usage, "invalid-mapping", error)
    }
}

impl From<UnpackError> for Failure {
    fn from(error: UnpackError) -> Failure {
        match error {
            UnpackError::Verify(error) => error.into(),
            UnpackError::Write(error) => error.into(),
        }
    }
}

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Failure {
        match error {
            DrillError::Exists { .. } => Failure::new(Exit::Failed, "exists", error)
                .hint("choose another place: what is there already is not touched"),
            DrillError::File(error) => error.into(),
            DrillError::Import(error) => (*error).into(),
            DrillError::Layout(error) => error.into(),
            DrillError::Sign(error) => error.into(),
            DrillError::Name { .. } | DrillError::Absent { .. } | DrillError::Differs(_) => {
                Failure::new(Exit::Failed, "read-back", error)
                    .hint("is the disk of the scratch store sound? does anybody else write there?")
            }
        }
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Failure {
        match error {
            SignError::Verify(error) => error.into(),
            SignError::Trust(error) => error.into(),
            SignError::File(error) => error.into(),
            SignError::TooMany => Failure::new(Exit::Usage, "signatures-full", error)
                .hint("remove signatures that nobody asks for"),
        }
    }
}

impl From<ParityError> for Failure {
    fn from(error: ParityError) -> Failure {
        use ParityError as E;
        let (exit, code, hint) = match error {
            E::File(error) => return error.into(),
            E::Medium(error) => return error.into(),
            E::Exists(_) => (Exit::Failed, "exists", "choose another place; nothing was touched"),
            E::TooLarge | E::Geometry => (
                Exit::Usage,
                "parity-too-large",
                "make an archive or volumes of it with `gapferry repack`; or ask for less parity",
            ),
            E::Amount => (Exit::Usage, "parity-amount", "give --parity 10%, for example"),
            E::Name(_) => (Exit::Usage, "bad-name", "rename it"),
            E::Limit { .. } => (Exit::Usage, "parity-volume-size", "give a larger --volume-size"),
            E::NoSeal => {
                (Exit::Damaged, "missing", "give every place that holds a part of the bundle")
            }
            E::Unreadable { .. } => (Exit::Failed, "file", "is the medium sound?"),
            E::Index => (Exit::Damaged, "bad-parity", FETCH_ANEW),
            E::Absent(_) => (
                Exit::Failed,
                "no-parity",
                "give the places of files called parity-0001.rs and so on",
            ),
            E::Foreign { .. } => (
                Exit::Damaged,
                "foreign-parity",
                "give the parity that was made for this bundle, in this packaging",
            ),
            E::Two(_) => (Exit::Damaged, "two-parities", "give the places of one of them only"),
        };
        Failure::new(exit, code, error).hint(hint)
    }
}

impl From<RepackError> for Failure {
    fn from(error: RepackError) -> Failure {
        match error {
            RepackError::Verify(error) => error.into(),
            RepackError::Write(error) => error.into(),
        }
    }
}

impl From<StageError> for Failure {
    fn from(error: StageError) -> Failure {
        match error {
            StageError::Verify(error) => error.into(),
            StageError::Medium(error) => error.into(),
            StageError::File(error) => error.into(),
            StageError::NoHead { .. } => Failure::new(Exit::Damaged, "missing", error)
                .hint("stage a medium with head files first: the last one always has them"),
            StageError::OtherBundle { .. } | StageError::OtherVolume { .. } => {
                Failure::new(Exit::Damaged, "two-bundles", error)
                    .hint("a directory is for one bundle: name another one with -o")
            }
        }
    }
}
