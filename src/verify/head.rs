//! Steps 1 to 5: from the medium to a seal that may be believed.
//!
//! Withstands: everything that can be put in the place of a seal or a signature. No other byte is
//! looked at before the signatures hold.

use std::path::{Path, PathBuf};

use super::admit::{Site, admit};
use super::chain::{Anchor, Established};
use super::contents::{Contents, Heads};
use super::lost::Gaps;
use super::{Location, VerifiedBundle, VerifyError};
use crate::bundle::{
    BundlePath, Catalog, HeadFile, Lading, MAX_SEAL_SIZE, Medium, Piece, Seal, Sums,
};
use crate::chunk::ChunkIndex;
use crate::files::read_capped;
use crate::oci::Digest;
use crate::trust::{Chain, KeyId, Purpose, Signature, Signed, Verified};

/// The most signatures that a bundle may have.
pub const MAX_SIGNATURES: usize = 16;
/// The most bytes of one signature.
const MAX_SIGNATURE_SIZE: u64 = 8 * 1024;
/// What no archive begins with.
const SEAL_BEGINS: &[u8] = b"gapferry bundle seal ";

/// Verifies the bundle that lies in `places`: steps 1 to 7 and 10. The blobs prove themselves when
/// they are read; [`Contents::prove_blobs`] reads them all.
///
/// # Errors
/// Every [`VerifyError`].
pub fn verify(
    places: &[PathBuf],
    anchor: &Anchor,
    site: &Site,
) -> Result<VerifiedBundle, VerifyError> {
    verify_medium(Medium::gather(places)?, anchor, site)
}

/// Verifies what there is of a bundle: the same steps, but documents, blobs and packs may be missing
/// or damaged ([`Contents::gaps`]), and volumes cut short. Head files may not.
///
/// # Errors
/// As [`verify()`].
pub fn verify_partly(
    places: &[PathBuf],
    anchor: &Anchor,
    site: &Site,
) -> Result<VerifiedBundle, VerifyError> {
    verify_with(Medium::gather_readable(places)?, anchor, site, Gaps::allowed())
}

/// As [`verify()`], for a bundle whose files were found already, or are read as they were before
/// damage.
///
/// # Errors
/// As [`verify()`].
pub fn verify_medium(
    medium: Medium,
    anchor: &Anchor,
    site: &Site,
) -> Result<VerifiedBundle, VerifyError> {
    verify_with(medium, anchor, site, Gaps::forbidden())
}

pub(super) fn verify_with(
    medium: Medium,
    anchor: &Anchor,
    site: &Site,
    gaps: Gaps,
) -> Result<VerifiedBundle, VerifyError> {
    sealed(&medium, anchor, site)?
        .try_map(|it| Contents::read(medium, &it.message, it.seal, it.signers, it.chain, gaps))
}

/// A seal that may be believed, and who says so.
struct Sealed {
    message: Vec<u8>,
    seal: Seal,
    signers: Vec<KeyId>,
    chain: Option<Chain>,
}

fn sealed(medium: &Medium, anchor: &Anchor, site: &Site) -> Result<Verified<Sealed>, VerifyError> {
    let (seal, signatures) = read_head(medium)?; // 1
    let trust = Established::from(anchor, medium, site.time())?; // 2
    let signed = trust.keys().verify(Purpose::Seal, seal, &signatures)?; // 3
    signed.try_map(|Signed { message, signers }| {
        let seal = Seal::parse(&message)?; // 4
        let signers = trust.admit(&seal, &message, &signatures, signers)?; // 5
        let epoch = trust.epoch(&seal).or(site.epoch);
        admit(&seal, &Digest::of(&message), site, epoch)?;
        Ok(Sealed { message, seal, signers, chain: trust.into_chain() })
    })
}

/// Which files a bundle has, though not all of them need be there.
#[derive(Debug)]
pub struct Outline {
    /// The digest of the seal.
    pub seal_digest: Digest,
    /// The seal.
    pub seal: Seal,
    /// Its files.
    pub sums: Sums,
    /// The trusted keys that signed; empty when nobody asked.
    pub signers: Vec<KeyId>,
}

/// Reads which files the bundle has that lies in `places`, perhaps in part: steps 1 to 6, or without
/// `trust` whatever the medium says.
///
/// # Errors
/// Every [`VerifyError`] about the seal, its signatures and the sums.
pub fn outline(
    places: &[PathBuf],
    trust: Option<(&Anchor, &Site)>,
) -> Result<Outline, VerifyError> {
    let medium = Medium::gather(places)?;
    let (bytes, seal, signers) = match trust {
        Some((anchor, site)) => {
            let sealed = sealed(&medium, anchor, site)?.into_inner();
            (sealed.message, sealed.seal, sealed.signers)
        }
        None => {
            let (bytes, _) = read_head(&medium)?;
            let seal = Seal::parse(&bytes)?;
            (bytes, seal, Vec::new())
        }
    };
    let sums = Heads::read(&medium, &seal)?.sums;
    Ok(Outline { seal_digest: Digest::of(&bytes), seal, sums, signers })
}

/// Looks at a bundle without keys: its parts fit together, but anybody may have made it. Nothing
/// imports or serves what this gives.
///
/// # Errors
/// Every [`VerifyError`] but those about trust, time and place.
pub fn examine(places: &[PathBuf]) -> Result<Contents, VerifyError> {
    examine_medium(Medium::gather(places)?)
}

/// The same for a bundle whose files were found already, or are read as they were before damage.
///
/// # Errors
/// As [`examine`].
pub fn examine_medium(medium: Medium) -> Result<Contents, VerifyError> {
    examine_with(medium, Gaps::forbidden())
}

pub(super) fn examine_with(medium: Medium, gaps: Gaps) -> Result<Contents, VerifyError> {
    let (bytes, _) = read_head(&medium)?;
    let seal = Seal::parse(&bytes)?;
    Contents::read(medium, &bytes, seal, Vec::new(), None, gaps)
}

/// What the head files of a bundle say, whoever made it.
#[derive(Debug)]
pub struct Claims {
    /// The digest of the seal.
    pub seal_digest: Digest,
    /// The seal.
    pub seal: Seal,
    /// What was aboard.
    pub lading: Lading,
    /// How it was kept.
    pub catalog: Catalog,
    /// Its chunks; `None` when its layers were not opened.
    pub chunks: Option<ChunkIndex>,
}

/// Reads the head files of a bundle, without keys; blobs and manifests need not be there. They fit
/// together, but anybody may have made them. Nothing imports what this gives.
///
/// # Errors
/// Every [`VerifyError`] about head files.
pub fn claims(places: &[PathBuf]) -> Result<Claims, VerifyError> {
    let medium = Medium::gather(places)?;
    let (bytes, _) = read_head(&medium)?;
    let (seal_digest, seal) = (Digest::of(&bytes), Seal::parse(&bytes)?);
    let heads = Heads::read(&medium, &seal)?;
    let lading = heads.lading()?;
    let catalog = heads.catalog()?;
    let chunks = heads.chunks()?;
    Ok(Claims { seal_digest, seal, lading, catalog, chunks })
}

/// The seal of the bundle in `place`, or the seal that `place` is, and its digest; without keys.
///
/// # Errors
/// As [`claims`], about the seal.
pub fn seal(place: &Path) -> Result<(Digest, Seal), VerifyError> {
    let bytes = match read_capped(place, MAX_SEAL_SIZE) {
        Ok(bytes) if bytes.starts_with(SEAL_BEGINS) => bytes,
        _ => read_head(&Medium::gather(&[place.to_owned()])?)?.0,
    };
    Ok((Digest::of(&bytes), Seal::parse(&bytes)?))
}

pub(super) fn read_head(medium: &Medium) -> Result<(Vec<u8>, Vec<Signature>), VerifyError> {
    let path = BundlePath::Head(HeadFile::Seal);
    let piece = medium.get(&path).ok_or_else(|| missing_seal(path))?;
    let seal = piece.read(MAX_SEAL_SIZE)?.ok_or_else(|| too_large(path, piece))?;
    let ids: Vec<_> = medium
        .paths()
        .filter_map(|path| match path {
            BundlePath::Head(HeadFile::Signature(id)) => Some(*id),
            _ => None,
        })
        .collect();
    let refused = || VerifyError::Signatures { max: MAX_SIGNATURES, size: MAX_SIGNATURE_SIZE };
    if ids.len() > MAX_SIGNATURES {
        return Err(refused());
    }
    let read = |key_id| {
        let piece = medium.get(&HeadFile::Signature(key_id).into()).ok_or_else(refused)?;
        let bytes = piece.read(MAX_SIGNATURE_SIZE)?.ok_or_else(refused)?;
        Ok(Signature { key_id, bytes })
    };
    let signatures = ids.into_iter().map(read).collect::<Result<_, VerifyError>>()?;
    Ok((seal, signatures))
}

fn missing_seal(path: BundlePath) -> VerifyError {
    VerifyError::Missing { path }
}

fn too_large(path: BundlePath, piece: &Piece) -> VerifyError {
    VerifyError::TooLarge { path, cap: MAX_SEAL_SIZE, at: Location::of(piece) }
}
