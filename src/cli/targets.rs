//! Where `import` brings images: how it is written on the command line, and how it is opened.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::failure::Failure;
use super::space::SpaceArgs;
use crate::bundle::Packaging;
use crate::files;
use crate::import::Journal;
use crate::oci::{Digest, Repository};
use crate::registry::Client;
use crate::target::{
    ArchiveTarget, Ctr, CtrTarget, Form, LayoutTarget, RegistryTarget, StorageTarget, Target,
    is_stored,
};

/// Where k3s looks for archives when it starts.
const K3S: &str = "/var/lib/rancher/k3s/agent/images";
/// The namespace of Kubernetes in containerd.
const NAMESPACE: &str = "k8s.io";
/// What repositories of a registry's storage belong to, where no host is known.
const NO_HOST: &str = "localhost";
const FORMS: &str = "expected docker://HOST[:PORT][/PREFIX], oci:DIR, oci-archive:FILE, \
    docker-archive:FILE, k3s[:DIR], ctr[:NAMESPACE[@SOCKET]] or docker-registry-storage:DIR";

/// A place for images, as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A registry, and a path in front of every repository.
    Registry {
        /// Host and, if given, port.
        host: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
    /// An OCI layout in a directory.
    Layout(PathBuf),
    /// One file, written anew.
    Archive(PathBuf, Form),
    /// A directory in which k3s looks for archives.
    K3s(PathBuf),
    /// The storage of docker's registry.
    Storage(PathBuf),
    /// containerd, through its tool, with a namespace and maybe a socket.
    Ctr(String, Option<PathBuf>),
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<To, String> {
        if let Some((kind, path)) = text.split_once(':').filter(|(_, path)| !path.is_empty()) {
            match kind {
                "oci" => return Ok(To::Layout(path.into())),
                "oci-archive" => return Ok(To::Archive(path.into(), Form::Oci)),
                "docker-archive" => return Ok(To::Archive(path.into(), Form::Docker)),
                "k3s" => return Ok(To::K3s(path.into())),
                "ctr" => return ctr(path),
                "docker-registry-storage" => return Ok(To::Storage(path.into())),
                _ => {}
            }
        }
        if text == "ctr" {
            return Ok(To::Ctr(NAMESPACE.to_owned(), None));
        }
        if text == "k3s" {
            return Ok(To::K3s(K3S.into()));
        }
        let place = text.strip_prefix("docker://").or_else(|| text.strip_prefix("registry://"));
        let place = place.ok_or(FORMS)?;
        let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_matches('/');
        let sample = if prefix.is_empty() { "a" } else { prefix };
        Repository::new(host, sample).map_err(|error| error.to_string())?;
        Ok(To::Registry { host: host.to_owned(), prefix: prefix.to_owned() })
    }
}

/// `NAMESPACE` or `NAMESPACE@SOCKET`.
fn ctr(text: &str) -> Result<To, String> {
    let (namespace, socket) = match text.split_once('@') {
        Some((namespace, socket)) => (namespace, Some(PathBuf::from(socket))),
        None => (text, None),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match namespace.starts_with(|c: char| c.is_ascii_alphanumeric()) && namespace.chars().all(fits)
    {
        true => Ok(To::Ctr(namespace.to_owned(), socket)),
        false => Err("expected ctr[:NAMESPACE[@SOCKET]]".to_owned()),
    }
}

/// A target, and what is to be done when all is there.
pub enum Opened {
    /// What is there is there.
    Plain(Box<dyn Target>),
    /// It has no name before it is whole.
    Archive(ArchiveTarget),
    /// A program takes it.
    Ctr(CtrTarget),
}

impl Opened {
    /// The target.
    pub fn target(&self) -> &dyn Target {
        match self {
            Opened::Plain(target) => target.as_ref(),
            Opened::Archive(archive) => archive,
            Opened::Ctr(ctr) => ctr.target(),
        }
    }

    /// Ends the work, whose outcome passes through.
    ///
    /// # Errors
    /// When the work failed, or the last step does.
    pub fn finish<T>(self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        match (self, outcome) {
            (Opened::Archive(archive), Ok(done)) => {
                archive.finish()?;
                Ok(done)
            }
            (Opened::Archive(archive), Err(failure)) => {
                archive.discard();
                Err(failure)
            }
            (Opened::Ctr(ctr), Ok(done)) => {
                ctr.finish()?;
                Ok(done)
            }
            (Opened::Ctr(ctr), Err(failure)) => Err(ctr.discard().map_or(failure, Failure::from)),
            (Opened::Plain(_), outcome) => outcome,
        }
    }
}

impl To {
    /// The directory or file, for those that have one.
    fn path(&self) -> Option<&Path> {
        match self {
            To::Registry { .. } | To::Ctr(..) => None,
            To::Layout(path) | To::Archive(path, _) | To::K3s(path) | To::Storage(path) => {
                Some(path)
            }
        }
    }

    /// Asks whether `content` will have room there, but for what lies there already.
    ///
    /// # Errors
    /// `no-space`, `fat-limit`.
    pub fn check_space(
        &self,
        space: &SpaceArgs,
        content: &BTreeMap<Digest, u64>,
    ) -> Result<(), Failure> {
        let sum =
            |sizes: &mut dyn Iterator<Item = &u64>| sizes.fold(0u64, |a, b| a.saturating_add(*b));
        match self {
            // Their disks are not ours to look at.
            To::Registry { .. } | To::Ctr(..) => Ok(()),
            To::Layout(path) => space.layout(path, content),
            To::Archive(path, _) | To::K3s(path) => {
                space.check(path, Packaging::Archive, sum(&mut content.values()))
            }
            To::Storage(path) => {
                let lacking =
                    content.iter().filter(|(digest, size)| !is_stored(path, digest, **size));
                space.check(path, Packaging::Directory, sum(&mut lacking.map(|(_, size)| size)))
            }
        }
    }

    /// The host of its repositories, where names are those of one registry.
    pub fn registry(&self) -> Option<&str> {
        match self {
            To::Registry { host, .. } => Some(host),
            To::Storage(_) => Some(NO_HOST),
            To::Layout(_) | To::Archive(..) | To::K3s(_) | To::Ctr(..) => None,
        }
    }

    /// The name by which a memory knows it, with the prefix that is in effect.
    pub fn named(&self, prefix: &str) -> Vec<u8> {
        let kind = match self {
            To::Registry { host, .. } => {
                let path = format!("{}/{prefix}", host.to_ascii_lowercase());
                return format!("docker://{}", path.trim_end_matches('/')).into_bytes();
            }
            To::Ctr(namespace, socket) => {
                let socket = socket.as_deref().map(whole).unwrap_or_default();
                let namespace = format!("ctr:{namespace}@");
                return [namespace.as_bytes(), socket.as_os_str().as_bytes()].concat();
            }
            To::Layout(_) => "oci:",
            To::Archive(_, Form::Oci) => "oci-archive:",
            To::Archive(_, Form::Docker) => "docker-archive:",
            To::K3s(_) => "k3s:",
            To::Storage(_) => "docker-registry-storage:",
        };
        let path = self.path().map(whole).unwrap_or_default();
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        [kind.as_bytes(), path.as_os_str().as_bytes(), prefix.as_bytes()].concat()
    }

    /// The target for looking at; `None` where there is nothing yet.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn existing(
        &self,
        client: impl FnOnce() -> Result<Client, Failure>,
    ) -> Result<Option<Box<dyn Target>>, Failure> {
        Ok(match self {
            To::Registry { .. } => Some(Box::new(RegistryTarget::new(client()?))),
            To::Layout(path) if !path.join("oci-layout").exists() => None,
            To::Layout(path) => Some(Box::new(LayoutTarget::open_to_look(path)?)),
            To::Storage(path) if !path.join("docker").exists() => None,
            To::Storage(path) => Some(Box::new(StorageTarget::open(path)?)),
            To::Archive(..) | To::K3s(_) | To::Ctr(..) => None,
        })
    }

    /// The target for the bundle of this seal; `journal` is where a registry's uploads are noted.
    ///
    /// # Errors
    /// When it cannot be opened or made.
    pub fn open(
        &self,
        seal: &Digest,
        journal: Option<Arc<Journal>>,
        client: impl FnOnce() -> Result<Client, Failure>,
    ) -> Result<Opened, Failure> {
        Ok(match self {
            To::Registry { .. } => {
                let target = RegistryTarget::new(client()?);
                Opened::Plain(Box::new(match journal {
                    Some(journal) => target.over_runs(journal),
                    None => target,
                }))
            }
            To::Layout(path) => Opened::Plain(Box::new(LayoutTarget::open_or_create(path)?)),
            To::Storage(path) => Opened::Plain(Box::new(StorageTarget::open(path)?)),
            To::Archive(path, form) => Opened::Archive(ArchiveTarget::create(path, *form)?),
            To::Ctr(namespace, address) => {
                let (namespace, address) = (namespace.clone(), address.clone());
                Opened::Ctr(Ctr { program: "ctr".into(), address, namespace }.start()?)
            }
            To::K3s(directory) => {
                files::create_directories(directory)?;
                let path = directory.join(format!("gapferry-{}.tar", seal.short()));
                Opened::Archive(ArchiveTarget::create(&path, Form::Docker)?)
            }
        })
    }
}

/// `path` from the root on and without links, as far as it exists.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| match path.file_name() {
        Some(name) => whole(&files::parent(path)).join(name),
        None => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (text, to) in [
            ("oci:a:b", To::Layout("a:b".into())),
            ("oci-archive:/x.tar", To::Archive("/x.tar".into(), Form::Oci)),
            ("docker-archive:x", To::Archive("x".into(), Form::Docker)),
            ("k3s", To::K3s(K3S.into())),
            ("k3s:/srv", To::K3s("/srv".into())),
            ("ctr", To::Ctr(NAMESPACE.to_owned(), None)),
            ("ctr:moby", To::Ctr("moby".to_owned(), None)),
            ("ctr:a@/run/x.sock", To::Ctr("a".to_owned(), Some("/run/x.sock".into()))),
            ("docker-registry-storage:/srv", To::Storage("/srv".into())),
        ] {
            assert_eq!(text.parse(), Ok(to), "{text}");
        }
        for text in [
            "",
            "oci:",
            "k3s:",
            "docker-archive:",
            "containerd",
            "ctr:-x",
            "ctr:@x",
            "docker://",
            "/srv",
        ] {
            assert!(text.parse::<To>().is_err(), "{text}");
        }
    }
}
