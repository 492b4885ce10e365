//! Errors of the places that images come from and go to.

use super::super::failure::{Exit, Failure};
use super::read;
use crate::layout::LayoutError;
use crate::registry::{CredentialsError, RegistryError};
use crate::source::{ArchiveError, ChartError, InvalidLocation, SourceError};
use crate::target::TargetError;

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        match error {
            SourceError::NotFound(_) => Failure::new(Exit::Failed, "not-found", error),
            SourceError::Ambiguous { .. } => Failure::new(Exit::Usage, "ambiguous", error)
                .hint("write the name after the path, such as oci:DIR:NAME"),
            SourceError::Location(error) => error.into(),
            SourceError::Registry(error) => error.into(),
            SourceError::Layout(error) => error.into(),
            SourceError::Archive(error) => error.into(),
            SourceError::Manifest(error) => error.into(),
            SourceError::Chart { path, error } => Failure::from(error).at(path.display()),
        }
    }
}

impl From<ChartError> for Failure {
    fn from(error: ChartError) -> Failure {
        match error {
            ChartError::File(error) => error.into(),
            ChartError::Read(_) => Failure::new(Exit::Failed, "read", error),
            _ => Failure::new(Exit::Damaged, "bad-chart", error).hint("does `helm lint` take it?"),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Failure {
        match error {
            TargetError::Read(error) => read(error),
            TargetError::Expired => Failure::new(Exit::Failed, "upload-expired", error)
                .hint("run the command again; what is there already is not sent again"),
            TargetError::Gone(_) => Failure::new(Exit::Failed, "not-found", error)
                .hint("does somebody else remove content of the target?"),
            TargetError::Registry(error) => error.into(),
            TargetError::Layout(error) => error.into(),
            TargetError::File(error) => error.into(),
            TargetError::Program { .. } => Failure::new(Exit::Failed, "ctr-failed", error)
                .hint("is containerd up, and may this user speak to it? see `ctr version`"),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        use RegistryError as E;
        let (exit, code, hint) = match &error {
            E::Unreachable { .. } => {
                (Exit::Failed, "unreachable", "is the name right, and the registry up?")
            }
            E::TimedOut { .. } => (Exit::Failed, "timed-out", "run the command again"),
            E::Tls { .. } => {
                (Exit::Failed, "tls", "is an own authority used? name it with --ca-file")
            }
            E::PlainHttp { .. } => {
                (Exit::Failed, "plain-http", "if that is meant, allow it with --plain-http HOST")
            }
            E::ClientCertificate(_) => (
                Exit::Failed,
                "bad-client-certificate",
                "--cert and --cert-key take PEM; the key must not be encrypted",
            ),
            E::Proxy(_) => {
                (Exit::Failed, "bad-proxy", "write http://HOST:PORT for --proxy or HTTPS_PROXY")
            }
            E::Tunnel { .. } => {
                (Exit::Failed, "proxy", "may it be reached through the proxy? see NO_PROXY")
            }
            E::Authority(_) => (Exit::Failed, "bad-authority", "--ca-file takes PEM"),
            E::Unauthorised { .. } => (
                Exit::Failed,
                "unauthorised",
                "log in with podman or docker, or give --authfile or --creds",
            ),
            E::CredentialHelper { .. } => (
                Exit::Failed,
                "credential-helper",
                "run the helper by itself, or give --creds or another --authfile",
            ),
            E::Denied { .. } => (Exit::Failed, "denied", "may this user do that?"),
            E::RateLimited { .. } => {
                (Exit::Failed, "rate-limited", "wait, log in, or lower --jobs")
            }
            E::Server { .. } => (
                Exit::Failed,
                "registry-failed",
                "run the command again, or see the registry's log",
            ),
            E::TooLarge { .. } => (
                Exit::Failed,
                "too-large",
                "raise the limit of the registry or of a proxy before it",
            ),
            E::NotFound { .. } => (Exit::Failed, "not-found", "is the name right?"),
            E::MediaType { .. } => (
                Exit::Failed,
                "media-type",
                "choose another registry, or have the image built with OCI media types",
            ),
            E::Refused { .. } => (Exit::Failed, "refused", "see what the registry says"),
            E::UploadExpired { .. } => (Exit::Failed, "upload-expired", "run the command again"),
            E::Malformed { .. } => {
                (Exit::Damaged, "malformed-answer", "is there a registry at that address?")
            }
            E::Redirect { .. } => (Exit::Damaged, "bad-redirect", "ask those who run the registry"),
            E::StatedDigest { .. } => {
                (Exit::Damaged, "other-digest", "ask those who run the registry")
            }
            E::Manifest(_) | E::Content(_) => return inner(error),
        };
        Failure::new(exit, code, error).hint(hint)
    }
}

fn inner(error: RegistryError) -> Failure {
    match error {
        RegistryError::Manifest(error) => error.into(),
        RegistryError::Content(error) => read(error),
        error => Failure::new(Exit::Failed, "registry", error),
    }
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Failure {
        Failure::new(Exit::Failed, "bad-credentials", error)
    }
}

impl From<InvalidLocation> for Failure {
    fn from(error: InvalidLocation) -> Failure {
        Failure::new(Exit::Usage, "invalid-location", error)
            .hint("an image is name[:tag][@digest], oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF] or chart:FILE; see docs/guides/selecting.md for patterns, registries and charts")
    }
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Failure {
        match error {
            LayoutError::File(error) => error.into(),
            LayoutError::Manifest(error) => error.into(),
            LayoutError::Content(error) => read(error),
            LayoutError::Unstaged(_) => Failure::new(Exit::Failed, "upload-expired", error)
                .hint("does anybody else work in that directory? run the command again"),
            LayoutError::NotALayout { .. } => Failure::new(Exit::Damaged, "not-a-layout", error),
            LayoutError::Index { .. } | LayoutError::TooManyDocuments => {
                Failure::new(Exit::Damaged, "bad-layout", error)
            }
            LayoutError::TooLarge { .. } => Failure::new(Exit::Damaged, "too-large", error),
            LayoutError::Missing(_) => Failure::new(Exit::Damaged, "missing", error)
                .hint("the layout is not complete; make it anew"),
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Failure {
        match error {
            ArchiveError::File(error) => error.into(),
            ArchiveError::Compressed { .. } => Failure::new(Exit::Damaged, "compressed", error)
                .hint("decompress it first, for instance with gunzip"),
            error => Failure::new(Exit::Damaged, "bad-archive", error),
        }
    }
}
