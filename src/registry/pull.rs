//! Manifests and blobs out of a registry.
//!
//! Withstands: manifests of any size, other bytes than the digest asked for, headers that lie
//! about digest or media type, blobs that are cut, stall, crawl, end early, go on, or begin again
//! at another place than was asked for. Source: distribution-spec 1.1, "Pull".

use std::io::{self, Read};

use ureq::http::{Method, Uri};

use super::answer::{Incoming, Response};
use super::error::words;
use super::transport::{Call, skip};
use super::url::Origin;
use super::{Client, MIN_PROGRESS, Name, RegistryError};
use crate::oci::{
    DOCUMENT_TYPES, Descriptor, Digest, MAX_MANIFEST_SIZE, Manifest, ManifestError, MediaType,
    Repository, Tag, Unproven,
};

/// Addresses of one foreign layer that are tried.
const MAX_ADDRESSES: usize = 10;
const DENIES_TAGS: &str = "it denies a tag that may be absent (403): that counts as absent";

impl Client {
    /// The document under `name`; `None` when there is none. Its own `mediaType` counts, the
    /// header's where it has none.
    ///
    /// # Errors
    /// [`RegistryError::Manifest`], [`RegistryError::StatedDigest`] when the bytes are not what
    /// they should be; whatever else the registry does.
    pub fn manifest(
        &self,
        repository: &Repository,
        name: Name<'_>,
    ) -> Result<Option<Manifest>, RegistryError> {
        let what = format!("manifest {repository} {name}");
        let found = self.get_manifest(repository, name, &what, MAX_MANIFEST_SIZE)?;
        let Some((answer, raw)) = found else { return Ok(None) };
        let stated = stated_digest(&answer, &what)?;
        let header = answer.header("content-type").and_then(media_type);
        let host = answer.host;
        let digest = match name {
            Name::Digest(digest) => *digest,
            Name::Tag(_) => stated.unwrap_or_else(|| Digest::of(&raw)),
        };
        // By digest, the bytes are held against the digest itself, below.
        if let (Name::Tag(_), Some(stated)) = (name, stated) {
            let found = digest_like(&stated, &raw);
            if found != stated {
                return Err(RegistryError::StatedDigest { host, what, stated, found });
            }
        }
        let Some(media_type) = Manifest::own_media_type(&raw).or(header) else {
            let why = "neither the document nor the header tells its media type".into();
            return Err(RegistryError::Malformed { host, what, why });
        };
        let descriptor = Descriptor::new(media_type, digest, raw.len() as u64);
        Ok(Some(Manifest::parse(descriptor, raw)?))
    }

    /// The document that `descriptor` names; `None` when there is none.
    ///
    /// # Errors
    /// As [`Client::manifest`].
    pub fn document(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> Result<Option<Manifest>, RegistryError> {
        if descriptor.size > MAX_MANIFEST_SIZE {
            return Err(ManifestError::TooLarge(descriptor.size).into());
        }
        let name = Name::Digest(&descriptor.digest);
        let what = format!("manifest {repository} {name}");
        let found = self.get_manifest(repository, name, &what, descriptor.size)?;
        let Some((_, raw)) = found else { return Ok(None) };
        Ok(Some(Manifest::parse(descriptor.clone(), raw)?))
    }

    /// The document that `tag` names; `None` when there is none. Some registries deny what they do
    /// not have: that is warned of, and counts as none.
    ///
    /// # Errors
    /// As [`Client::manifest`].
    pub fn tagged(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Manifest>, RegistryError> {
        match self.manifest(repository, Name::Tag(tag)) {
            Err(RegistryError::Denied { host, .. }) => {
                self.0.transport.warn(&host, DENIES_TAGS);
                Ok(None)
            }
            found => found,
        }
    }

    /// The digest of the document under `name`; `None` when there is none. Fetches the document
    /// where the registry does not give the digest otherwise: there are some that know tags only
    /// when they are fetched.
    ///
    /// # Errors
    /// Whatever the registry does; for a tag as [`Client::tagged`].
    pub fn head_manifest(
        &self,
        repository: &Repository,
        name: Name<'_>,
    ) -> Result<Option<Digest>, RegistryError> {
        let (scope, what) = (self.reading(repository), format!("manifest {repository} {name}"));
        let mut call = Call::new(Method::HEAD, self.url(repository, &format!("manifests/{name}"))?);
        call.headers.push(("accept", accept()));
        let answer = self.send(&scope, call)?;
        match answer.status {
            404 if matches!(name, Name::Digest(_)) => return Ok(None),
            403..=405 => {}
            _ if !answer.is_success() => return Err(self.refusal(&scope, answer, &what)),
            _ => {
                if let Some(digest) = stated_digest(&answer, &what)? {
                    return Ok(Some(digest));
                }
            }
        }
        let manifest = match name {
            Name::Tag(tag) => self.tagged(repository, tag)?,
            Name::Digest(_) => self.manifest(repository, name)?,
        };
        Ok(manifest.map(|manifest| manifest.descriptor().digest))
    }

    fn get_manifest(
        &self,
        repository: &Repository,
        name: Name<'_>,
        what: &str,
        cap: u64,
    ) -> Result<Option<(Response, Vec<u8>)>, RegistryError> {
        let scope = self.reading(repository);
        let mut call = Call::new(Method::GET, self.url(repository, &format!("manifests/{name}"))?);
        call.headers.push(("accept", accept()));
        let (answer, raw) = self.0.transport.whole(cap, || self.send(&scope, call.clone()))?;
        match answer.status {
            200 if raw.len() as u64 > MAX_MANIFEST_SIZE => {
                Err(ManifestError::TooLarge(raw.len() as u64).into())
            }
            200 => Ok(Some((answer, raw))),
            404 => Ok(None),
            _ => Err(self.refusal(&scope, answer, what)),
        }
    }

    /// Whether `repository` holds this blob.
    ///
    /// # Errors
    /// Whatever the registry does.
    pub fn has_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
    ) -> Result<bool, RegistryError> {
        let scope = self.reading(repository);
        let url = self.url(repository, &format!("blobs/{}", blob.digest))?;
        let mut call = Call::new(Method::HEAD, url);
        // A registry redirects to where the content lies; an address signed for GET would refuse
        // our HEAD there.
        call.stay = true;
        let answer = self.send(&scope, call)?;
        match answer.status {
            200..=399 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refusal(&scope, answer, &format!("blob {repository} {}", blob.digest))),
        }
    }

    /// The content of a blob; `None` when it is not there. The reader goes on by itself after a
    /// cut.
    ///
    /// # Errors
    /// Whatever the registry does. The reader's errors hold a [`RegistryError`] or a
    /// [`crate::oci::ContentError`].
    pub fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
    ) -> Result<Option<Unproven>, RegistryError> {
        let found = self.blob_from(repository, blob, 0)?;
        Ok(found.map(|reader| Unproven::new(Box::new(reader), blob.digest, blob.size)))
    }

    /// The content of a foreign layer from the addresses that its descriptor gives, the first that
    /// has it; `None` when none does. Nobody is told who asks.
    ///
    /// # Errors
    /// As [`Client::blob`], of the last address.
    pub fn foreign_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
    ) -> Result<Option<Unproven>, RegistryError> {
        let mut outcome = Ok(None);
        let urls = blob.urls.iter().filter_map(|url| url.parse::<Uri>().ok());
        for url in urls.filter(|url| Origin::of(url).is_some()).take(MAX_ADDRESSES) {
            outcome = self.reader(repository, blob, 0, Some(url));
            if let Ok(Some(_)) = outcome {
                break;
            }
        }
        let found = outcome?;
        Ok(found.map(|reader| Unproven::new(Box::new(reader), blob.digest, blob.size)))
    }

    /// The bytes of a blob from `at` on, unproven; `None` when it is not there. The reader goes on
    /// by itself after a cut.
    ///
    /// # Errors
    /// As [`Client::blob`].
    pub fn blob_from(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        at: u64,
    ) -> Result<Option<BlobReader>, RegistryError> {
        self.reader(repository, blob, at, None)
    }

    fn reader(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        at: u64,
        elsewhere: Option<Uri>,
    ) -> Result<Option<BlobReader>, RegistryError> {
        let mut reader = BlobReader {
            client: self.clone(),
            repository: repository.clone(),
            elsewhere,
            digest: blob.digest,
            size: blob.size,
            at,
            attempt: 0,
            fresh: 0,
            body: None,
        };
        // There is nothing to ask for behind the end.
        match if at < blob.size || at == 0 { reader.open() } else { Ok(()) } {
            Ok(()) => Ok(Some(reader)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Reads a blob to its end, over as many connections as it takes. A try counts only when it
/// brought next to nothing.
pub struct BlobReader {
    client: Client,
    repository: Repository,
    /// The address of a foreign layer.
    elsewhere: Option<Uri>,
    digest: Digest,
    size: u64,
    /// How much has been read.
    at: u64,
    /// Tries since enough last came.
    attempt: u32,
    /// Bytes that came since.
    fresh: u64,
    body: Option<Incoming>,
}

impl BlobReader {
    /// Asks for what is missing.
    fn open(&mut self) -> Result<(), RegistryError> {
        let scope = self.client.reading(&self.repository);
        let what = format!("blob {} {}", self.repository, self.digest);
        let url = match &self.elsewhere {
            Some(url) => url.clone(),
            None => self.client.url(&self.repository, &format!("blobs/{}", self.digest))?,
        };
        let mut call = Call::new(Method::GET, url);
        if self.at > 0 {
            call.headers.push(("range", format!("bytes={}-", self.at)));
        }
        let answer = match &self.elsewhere {
            Some(_) => self.client.0.transport.send(&call)?,
            None => self.client.send(&scope, call)?,
        };
        match answer.status {
            200 => {
                let mut body = answer.body;
                // The registry does not know ranges: pass over what we have. A failure shows as
                // a try that brought nothing.
                if skip(&mut body, self.at).is_ok() {
                    self.body = Some(body);
                }
                Ok(())
            }
            206 if self.fits(answer.header("content-range")) => {
                self.body = Some(answer.body);
                Ok(())
            }
            206 => {
                let why = format!(
                    "asked for bytes from {} on, it sends `{}`",
                    self.at,
                    words(answer.header("content-range").unwrap_or_default())
                );
                Err(RegistryError::Malformed { host: answer.host, what, why })
            }
            _ => Err(self.client.refusal(&scope, answer, &what)),
        }
    }

    /// True for `bytes <at>-<last>/<size>`, where the size may be `*`.
    fn fits(&self, range: Option<&str>) -> bool {
        let parse = || {
            let (span, total) = range?.trim().strip_prefix("bytes ")?.split_once('/')?;
            let first: u64 = span.split_once('-')?.0.trim().parse().ok()?;
            Some(first == self.at && (total == "*" || total.parse() == Ok(self.size)))
        };
        parse().unwrap_or(false)
    }

    fn again(&mut self, why: &io::Error) -> io::Result<()> {
        let transport = &self.client.0.transport;
        let host = self.repository.host().to_owned();
        if self.attempt >= transport.config().retries {
            let error = match why.kind() {
                io::ErrorKind::TimedOut => RegistryError::TimedOut { host },
                _ => RegistryError::Unreachable { host, why: words(&why.to_string()) },
            };
            return Err(io::Error::other(error));
        }
        let text = format!("{} stopped at byte {}: {why}", self.digest, self.at);
        transport.pause(host, words(&text), self.attempt, None);
        self.attempt += 1;
        self.open().map_err(io::Error::other)
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let outcome = match &mut self.body {
                Some(body) => body.read(buffer),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            };
            match outcome {
                Ok(count) if count > 0 => {
                    self.at = self.at.saturating_add(count as u64);
                    self.fresh += count as u64;
                    if self.fresh >= MIN_PROGRESS {
                        (self.attempt, self.fresh) = (0, 0);
                    }
                    return Ok(count);
                }
                // All of it came; how the connection ends is of no interest.
                _ if self.at >= self.size || buffer.is_empty() => return Ok(0),
                // An answer that ends early, as one without a length may when it is cut.
                Ok(_) => {
                    self.body = None;
                    self.again(&io::ErrorKind::UnexpectedEof.into())?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.body = None;
                    self.again(&error)?;
                }
            }
        }
    }
}

/// Every kind of document that we know, and any other: what it is, its bytes tell.
pub(super) fn accept() -> String {
    format!("{}, */*", DOCUMENT_TYPES.join(", "))
}

/// The media type of a `Content-Type`, without parameters.
pub(super) fn media_type(text: &str) -> Option<MediaType> {
    MediaType::new(text.split(';').next()?.trim()).ok()
}

/// `Docker-Content-Digest`; `None` when it is not sent.
fn stated_digest(answer: &Response, what: &str) -> Result<Option<Digest>, RegistryError> {
    let Some(text) = answer.header("docker-content-digest").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| RegistryError::Malformed {
        host: answer.host.clone(),
        what: what.to_owned(),
        why: format!("its Docker-Content-Digest is `{}`", words(text)),
    })
}

fn digest_like(digest: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = digest.hasher();
    hasher.update(bytes);
    hasher.finish()
}
