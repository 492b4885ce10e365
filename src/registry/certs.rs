//! Certificates for single registries: docker's and podman's `certs.d`, and what the user names.
//!
//! In such a directory `*.crt` are authorities to trust, `*.cert` with a `*.key` of the same name is
//! what we show of ourselves. It is read when its registry is first spoken to.
//!
//! Withstands: directories with very many or very large files, files that are no certificates, a
//! certificate without its key. Private keys are wiped when dropped. Source: docker's "Verify
//! repository client with certificates", containers-certs.d(5).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::RegistryError;
use super::error::words;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// Entries of a directory that are looked at.
const MAX_ENTRIES: usize = 100;

/// Whom to trust beyond the system's authorities, and how to prove who we are.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Authorities, each a PEM file's text.
    pub authorities: Vec<Vec<u8>>,
    /// What we show of ourselves.
    pub identity: Option<Identity>,
}

/// A client certificate with its chain, and its private key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate, with the certificates that lead to its authority after it, and its key,
    /// unencrypted; both PEM.
    ///
    /// # Errors
    /// [`RegistryError::ClientCertificate`].
    pub fn parse(certificate: &[u8], key: &[u8]) -> Result<Identity, RegistryError> {
        let bad = |why: &str| RegistryError::ClientCertificate(why.to_owned());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|_| bad("its certificate is not PEM"))?;
        if chain.is_empty() {
            return Err(bad("there is no certificate in its file"));
        }
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|_| bad("there is no unencrypted private key in its key's file"))?;
        Ok(Identity { chain, key })
    }

    pub(super) fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The directory for the registry `name`, a host with or without port, in the first of `roots` that
/// has one.
pub(super) fn directory(roots: &[PathBuf], names: &[String]) -> Option<PathBuf> {
    let places = roots.iter().flat_map(|root| names.iter().map(move |name| root.join(name)));
    places.into_iter().find(|place| place.is_dir())
}

impl Certificates {
    /// Reads a directory of certificates.
    ///
    /// # Errors
    /// [`RegistryError::ClientCertificate`].
    pub fn read(directory: &Path) -> Result<Certificates, RegistryError> {
        let entries = std::fs::read_dir(directory);
        let entries = entries.map_err(|error| failed(directory, &error.to_string()))?;
        let mut paths: Vec<PathBuf> =
            entries.take(MAX_ENTRIES).filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let has = |path: &PathBuf, ending: &str| path.extension().is_some_and(|it| it == ending);
        let mut found = Certificates::default();
        for path in &paths {
            if has(path, "crt") {
                found.authorities.push(bytes(path)?.to_vec());
            } else if has(path, "cert") && found.identity.is_none() {
                let key = path.with_extension("key");
                found.identity = Some(Identity::parse(&bytes(path)?, &bytes(&key)?)?);
            } else if has(path, "key") && !path.with_extension("cert").exists() {
                return Err(failed(path, "it has no certificate beside it"));
            }
        }
        Ok(found)
    }
}

fn failed(path: &Path, why: &str) -> RegistryError {
    RegistryError::ClientCertificate(format!("{}: {why}", words(&path.to_string_lossy())))
}

fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, RegistryError> {
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(path, &error.to_string()))?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(failed(path, "it is larger than 1 MiB")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directory_for_the_registry_counts() {
        let at = tempfile::tempdir().unwrap();
        let roots = ["one", "two"].map(|name| at.path().join(name)).to_vec();
        let names = ["reg.test:443".to_owned(), "reg.test".to_owned()];
        assert_eq!(directory(&roots, &names), None);
        let there = roots[1].join("reg.test");
        std::fs::create_dir_all(&there).unwrap();
        assert_eq!(directory(&roots, &names), Some(there));
        let before = roots[0].join("reg.test:443");
        std::fs::create_dir_all(&before).unwrap();
        assert_eq!(directory(&roots, &names), Some(before));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let at = tempfile::tempdir().unwrap();
        assert!(Certificates::read(at.path()).unwrap().identity.is_none());
        for (name, content) in [("a.key", "x"), ("a.cert", "x"), ("b.cert", "x")] {
            std::fs::write(at.path().join(name), content).unwrap();
            let error = Certificates::read(at.path()).unwrap_err();
            assert!(matches!(error, RegistryError::ClientCertificate(_)), "{name}: {error}");
        }
        let large = vec![b'x'; MAX_FILE as usize + 1];
        assert!(Identity::parse(&large, b"").is_err());
        std::fs::write(at.path().join("0.crt"), large).unwrap();
        assert!(Certificates::read(at.path()).unwrap_err().to_string().contains("larger"));
    }
}
