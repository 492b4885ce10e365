//! Staging: copying one medium after the other into a directory, until the bundle is whole there.
//!
//! Every blob is held against its name, which the sums list, while it is copied; every head file
//! against the sums. Withstands: volumes of another bundle, media in any order and again, a kill at any
//! time (what has its name is complete). What the sums hang on, the seal, is verified if the caller
//! says whom to believe. Whoever uses what was staged verifies all of it anew.

mod copy;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::copy::{Copying, Volume};
use crate::bundle::{BundlePath, HeadFile, MAX_SEAL_SIZE, Medium, MediumError, Piece};
use crate::files::{self, FileError, Lock};
use crate::oci::Digest;
use crate::report::Progress;
use crate::trust::KeyId;
use crate::verify::{self, Anchor, Gap, Location, Outline, Site, VerifyError};

/// Why a medium is not staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The medium is damaged or forged, or holds something else.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The files are not those of one bundle.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// The directory could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Neither the medium nor the directory has a seal. The input's fault.
    #[error("neither {medium} nor {} has head files: nobody can tell what belongs to the bundle", staged.display())]
    NoHead {
        /// The medium.
        medium: String,
        /// The directory.
        staged: PathBuf,
    },
    /// The directory has another bundle, or a part of one. The input's fault.
    #[error("{} holds the bundle {staged}, and the medium {medium}", directory.display())]
    OtherBundle {
        /// The directory.
        directory: PathBuf,
        /// The digest of the seal there.
        staged: Digest,
        /// The digest of the seal on the medium.
        medium: Digest,
    },
    /// The same bundle was packaged twice, with volumes of other sizes. The input's fault.
    #[error("{} is already there and holds something else than {}", staged.display(), medium.display())]
    OtherVolume {
        /// The volume in the directory.
        staged: PathBuf,
        /// The one on the medium.
        medium: PathBuf,
    },
}

/// A medium that is to be copied, and what of it is not there yet.
#[derive(Debug)]
pub struct Stage {
    directory: PathBuf,
    outline: Outline,
    source: Medium,
    volumes: Vec<Volume>,
    files: Vec<BundlePath>,
}

/// What the directory holds now.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The volumes that are there.
    pub volumes: Vec<u32>,
    /// How many there are of the bundle, if that is known.
    pub count: Option<u32>,
    /// Which volumes are missing, as far as can be told; `None` when none is.
    pub gap: Option<Gap>,
    /// How many files of the bundle are missing.
    pub missing: usize,
    /// How many volumes and other files were copied now.
    pub copied: usize,
}

impl Stage {
    /// Looks at the media in `places` and at what `directory` has already.
    ///
    /// # Errors
    /// Every [`StageError`].
    pub fn plan(
        places: &[PathBuf],
        directory: &Path,
        trust: Option<(&Anchor, &Site)>,
    ) -> Result<Stage, StageError> {
        let _lock = directory.is_dir().then(|| begin(directory)).transpose()?;
        let source = Medium::gather(places)?;
        let staged = gather(directory)?;
        let (of_medium, of_staged) = (seal(&source)?, seal(&staged)?);
        if let (Some(medium), Some(staged)) = (of_medium, of_staged) {
            if medium != staged {
                let directory = directory.to_owned();
                return Err(StageError::OtherBundle { directory, staged, medium });
            }
        }
        // What was staged before is believed no more than the medium.
        let both: Vec<PathBuf> = match (of_medium, of_staged) {
            (Some(_), _) => places.to_vec(),
            (None, Some(_)) => vec![directory.to_owned()],
            (None, None) => {
                let medium: Vec<_> = places.iter().map(|it| it.display().to_string()).collect();
                let (medium, staged) = (medium.join(", "), directory.to_owned());
                return Err(StageError::NoHead { medium, staged });
            }
        };
        let outline = verify::outline(&both, trust)?;
        check_members(&source, &outline)?;
        let volumes = copy::volumes(&source, &staged)?;
        let in_volumes: BTreeSet<&PathBuf> = source.volumes().values().collect();
        let lies_alone = |path: &&BundlePath| {
            let lacks = staged.get(path).is_none();
            lacks && source.get(path).is_some_and(|piece| !in_volumes.contains(&piece.file()))
        };
        let mut files: Vec<BundlePath> = source.paths().filter(lies_alone).copied().collect();
        // The sums and the seal tell what the rest is: the seal comes when the sums are there.
        files.sort_by_key(|path| (*path == HeadFile::Seal.into(), *path));
        Ok(Stage { directory: directory.to_owned(), outline, source, volumes, files })
    }

    /// The digest of the seal.
    pub fn seal_digest(&self) -> Digest {
        self.outline.seal_digest
    }

    /// The trusted keys that signed; empty when nobody asked.
    pub fn signers(&self) -> &[KeyId] {
        &self.outline.signers
    }

    /// The files that are to be written, in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        let file = |path| self.source.get(path).map_or(0, |piece| piece.size);
        let volumes = self.volumes.iter().map(|volume| volume.size);
        volumes.chain(self.files.iter().map(file))
    }

    /// Copies what is not there yet.
    ///
    /// # Errors
    /// [`StageError::Verify`], [`StageError::File`]; what was copied to its end stays.
    pub fn run(&self, progress: &dyn Progress) -> Result<Summary, StageError> {
        files::create_directories(&self.directory)?;
        let _lock = begin(&self.directory)?;
        progress.begin("staging", self.sizes().fold(0, u64::saturating_add));
        let copying = Copying { to: &self.directory, sums: &self.outline.sums, progress };
        for path in &self.files {
            let piece = self.source.get(path).ok_or(VerifyError::Missing { path: *path })?;
            copying.file(*path, piece, &self.outline.seal)?;
        }
        copying.listing(&self.source)?;
        self.source.companions().iter().try_for_each(|from| copying.companion(from))?;
        self.volumes.iter().try_for_each(|volume| copying.volume(volume))?;
        progress.end();
        self.summary()
    }

    fn summary(&self) -> Result<Summary, StageError> {
        let staged = gather(&self.directory)?;
        let lacks = |path: &&BundlePath| staged.get(path).is_none();
        let missing = self.outline.sums.paths().filter(lacks).count();
        Ok(Summary {
            volumes: staged.volumes().keys().copied().collect(),
            count: staged.volume_count(),
            gap: if missing > 0 { Gap::of(&staged) } else { None },
            missing,
            copied: self.volumes.len() + self.files.len(),
        })
    }
}

/// Takes the directory, and removes what a copy left that was killed.
fn begin(directory: &Path) -> Result<Lock, FileError> {
    let lock = Lock::directory(directory)?;
    files::sweep(directory)?;
    Ok(lock)
}

fn gather(directory: &Path) -> Result<Medium, MediumError> {
    match Medium::gather(&[directory.to_owned()]) {
        Err(MediumError::Empty(_)) => Ok(Medium::default()),
        Err(MediumError::File(error)) if error.is_not_found() => Ok(Medium::default()),
        other => other,
    }
}

fn seal(medium: &Medium) -> Result<Option<Digest>, StageError> {
    let path = HeadFile::Seal.into();
    let Some(piece) = medium.get(&path) else { return Ok(None) };
    let too_large = || VerifyError::TooLarge { path, cap: MAX_SEAL_SIZE, at: location(piece) };
    let bytes = piece.read(MAX_SEAL_SIZE)?.ok_or_else(too_large)?;
    Ok(Some(Digest::of(&bytes)))
}

/// Nothing of another bundle.
fn check_members(source: &Medium, outline: &Outline) -> Result<(), VerifyError> {
    for path in source.paths() {
        let outside = matches!(
            path,
            BundlePath::Head(HeadFile::Sums | HeadFile::Seal | HeadFile::Signature(_))
                | BundlePath::Trust(_)
        );
        let listed = outside || outline.sums.get(path).is_some();
        if let Some(piece) = source.get(path).filter(|_| !listed) {
            return Err(VerifyError::Extra { path: *path, at: location(piece) });
        }
    }
    Ok(())
}

fn location(piece: &Piece) -> Location {
    Location { file: piece.file(), offset: piece.offset(), length: piece.size }
}
