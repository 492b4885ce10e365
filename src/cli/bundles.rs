//! The bundle that a command is about, and the keys that vouch for it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::parity::ParityArgs;
use super::state::StateArgs;
use crate::bundle::{Name, Packaging, Timestamp};
use crate::files::FAT_LIMIT;
use crate::memory::{Entry, Held};
use crate::parity::Mended;
use crate::trust::{Accepted, KeyRecord, Keyring};
use crate::verify::{self, Anchor, Contents, Remaining, Site, VerifiedBundle};

/// Where a bundle lies.
#[derive(Debug, Clone, Args)]
pub struct BundleArgs {
    /// A bundle: a directory, an archive, or several places that together hold one
    #[arg(value_name = "BUNDLE", required = true)]
    pub places: Vec<PathBuf>,
}

/// Whom to believe.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trust")]
pub struct TrustArgs {
    /// Believe seals that this public key signed (PEM, an OpenSSH public key, or allowed signers;
    /// repeatable)
    #[arg(long, value_name = "PUBLIC-KEY")]
    pub trust: Vec<PathBuf>,
    /// How many of the keys must have signed; one key in several files counts once
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threshold: usize,
    /// What seals call this place; a bundle for another destination is refused
    #[arg(long, value_name = "NAME")]
    pub site: Option<Name>,
    #[command(flatten)]
    pub state: StateArgs,
}

impl TrustArgs {
    /// Where and when this is, without a memory.
    ///
    /// # Errors
    /// When the clock is past the year 9999.
    pub fn site(&self, context: &Context) -> Result<Site, Failure> {
        Ok(Site { name: self.site.clone(), ..Site::at(timestamp(context.now())?) })
    }

    /// The trusted keys that count at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    /// When a file cannot be read or none of its keys counts, or the threshold cannot be met.
    pub fn keyring(&self, now: u64) -> Result<Keyring, Failure> {
        let mut keys = Vec::new();
        for path in &self.trust {
            let records = KeyRecord::parse(&input::key(path)?);
            let records = records.map_err(|error| Failure::from(error).at(path.display()))?;
            // Lines of keys that were replaced, or are yet to come, may stay in the file.
            let valid = records.into_iter().filter(|record| record.is_valid_at(now));
            let valid: Vec<_> = valid.map(|record| record.key).collect();
            if valid.is_empty() {
                let failure = Failure::new(Exit::NotAllowed, "key-not-valid", "no key counts now");
                let hint = "see valid-after and valid-before in it; is the clock right?";
                return Err(failure.at(path.display()).hint(hint));
            }
            keys.extend(valid);
        }
        Ok(Keyring::new(keys, self.threshold)?)
    }

    /// Verifies the bundle in `places`, but for its blobs' bytes, without asking the memory.
    ///
    /// # Errors
    /// When nobody is trusted, and whatever is wrong with the bundle.
    pub fn verify(&self, places: &[PathBuf], context: &Context) -> Result<VerifiedBundle, Failure> {
        self.verify_at(places, &self.site(context)?, context)
    }

    /// The same at `site`.
    ///
    /// # Errors
    /// As [`TrustArgs::verify`].
    pub fn verify_at(
        &self,
        places: &[PathBuf],
        site: &Site,
        context: &Context,
    ) -> Result<VerifiedBundle, Failure> {
        Ok(verify::verify(places, &self.needed(site, context)?, site)?)
    }

    /// The same of what there is of the bundle, of which anything but head files may be missing.
    ///
    /// # Errors
    /// As [`TrustArgs::verify`].
    pub fn verify_partly(
        &self,
        places: &[PathBuf],
        site: &Site,
        context: &Context,
    ) -> Result<VerifiedBundle, Failure> {
        Ok(verify::verify_partly(places, &self.needed(site, context)?, site)?)
    }

    /// The same for a bundle that is read as it was before damage.
    ///
    /// # Errors
    /// As [`TrustArgs::verify`].
    pub fn verify_mended(
        &self,
        mended: &Mended,
        site: &Site,
        context: &Context,
    ) -> Result<VerifiedBundle, Failure> {
        let anchor = self.needed(site, context)?;
        Ok(verify::verify_medium(mended.medium()?, &anchor, site)?)
    }

    /// Which images of a bundle are whole, of which some bytes are lost.
    ///
    /// # Errors
    /// When the head files do not say.
    pub fn remaining(&self, mended: &Mended, context: &Context) -> Result<Remaining, Failure> {
        let site = self.site(context)?;
        let anchor = self.anchor(&site, context)?;
        Ok(verify::remaining(mended.remaining()?, anchor.as_ref(), &site)?)
    }

    /// The same for a bundle that is read as it was before damage, or what its parts say if nobody is
    /// trusted.
    ///
    /// # Errors
    /// As [`TrustArgs::look`].
    pub fn look_mended(&self, mended: &Mended, context: &Context) -> Result<Contents, Failure> {
        let site = self.site(context)?;
        match self.anchor(&site, context)? {
            None => Ok(verify::examine_medium(mended.medium()?)?),
            Some(anchor) => {
                Ok(verify::verify_medium(mended.medium()?, &anchor, &site)?.into_inner())
            }
        }
    }

    /// Whom to believe; somebody must be.
    fn needed(&self, site: &Site, context: &Context) -> Result<Anchor, Failure> {
        self.anchor(site, context)?.ok_or_else(|| {
            let failure = Failure::new(Exit::Usage, "no-trust", "no key is trusted");
            failure.hint(
                "give the maker's public key: --trust release.key.pub; or accept trust documents: \
                 see `gapferry trust accept --help`",
            )
        })
    }

    /// Verifies the bundle if anybody is trusted; else looks whether its parts fit together.
    ///
    /// # Errors
    /// Whatever is wrong with the bundle.
    pub fn look(&self, places: &[PathBuf], context: &Context) -> Result<Contents, Failure> {
        let site = self.site(context)?;
        match self.anchor(&site, context)? {
            None => Ok(verify::examine(places)?),
            Some(anchor) => Ok(verify::verify(places, &anchor, &site)?.into_inner()),
        }
    }

    /// Verifies the bundle if keys are named; else looks whether its parts fit together. Who is yet
    /// to sign cannot ask for all the signatures that trust documents do.
    ///
    /// # Errors
    /// Whatever is wrong with the bundle.
    pub fn look_before_signing(
        &self,
        places: &[PathBuf],
        context: &Context,
    ) -> Result<Contents, Failure> {
        if self.trust.is_empty() {
            return Ok(verify::examine(places)?);
        }
        let site = self.site(context)?;
        let anchor = Anchor::from(self.keyring(site.time().unix())?);
        Ok(verify::verify(places, &anchor, &site)?.into_inner())
    }

    /// Whom to believe: the keys that are named, or the trust documents that the site accepted.
    ///
    /// # Errors
    /// When both are there: a key on the command line would count for every stream.
    pub fn anchor(&self, site: &Site, context: &Context) -> Result<Option<Anchor>, Failure> {
        let accepted = match self.state.directory(context) {
            Ok(state) => Accepted::beneath(&state).load()?,
            Err(_) => None,
        };
        let two = |what, hint| Err(Failure::new(Exit::Usage, "two-trusts", what).hint(hint));
        match (self.trust.is_empty(), accepted) {
            (true, Some(_)) if self.threshold != 1 => two(
                "trust documents say themselves how many keys must sign",
                "leave --threshold out",
            ),
            (true, accepted) => Ok(accepted.map(Anchor::Chain)),
            (false, None) => Ok(Some(self.keyring(site.time().unix())?.into())),
            (false, Some(_)) => two(
                "this site has accepted trust documents, and --trust names keys",
                "leave --trust out; or name another --state",
            ),
        }
    }

    /// Keeps the trust documents that a bundle brought, and the time that they tell.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn remember(
        &self,
        contents: &Contents,
        held: &mut Held,
        now: Timestamp,
        context: &Context,
    ) -> Result<(), Failure> {
        let Some(chain) = contents.chain() else { return Ok(()) };
        Accepted::beneath(&self.state.directory(context)?).save(chain)?;
        held.note(Entry::Floor(chain.newest().created), now)?;
        Ok(())
    }
}

/// How a bundle is to lie on the medium.
#[derive(Debug, Clone, Args)]
pub struct PackagingArgs {
    /// Where to write: FILE.tar is one archive, anything else a directory
    #[arg(short, long, value_name = "OUT", required_unless_present = "media")]
    pub(super) out: Option<PathBuf>,
    /// Write volumes to all these directories, each on a medium of its own, as much to each as is free
    /// there, or SIZE of it (repeatable, or with commas)
    #[arg(long, value_name = "DIR[=SIZE]", value_delimiter = ',',
          conflicts_with_all = ["out", "parity", "parity_volumes"])]
    pub media: Vec<MediumArg>,
    /// Cut into volumes of at most this size (such as 700MB, 4GiB), in a directory; 4GiB when no
    /// size is given, which fits FAT32
    #[arg(long, value_name = "SIZE", num_args = 0..=1, default_missing_value = "4GiB", value_parser = size)]
    pub volume_size: Option<u64>,
    #[command(flatten)]
    pub parity: ParityArgs,
}

/// A directory on a medium, and the most bytes that may be written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumArg {
    /// The directory.
    pub root: PathBuf,
    /// Bytes; `None` for all that are free.
    pub most: Option<u64>,
}

impl std::str::FromStr for MediumArg {
    type Err = String;

    fn from_str(text: &str) -> Result<MediumArg, String> {
        let sized = text.rsplit_once('=').and_then(|(root, most)| Some((root, size(most).ok()?)));
        let (root, most) = sized.map_or((text, None), |(root, most)| (root, Some(most)));
        match root.is_empty() {
            true => Err("expected DIR or DIR=SIZE".to_owned()),
            false => Ok(MediumArg { root: PathBuf::from(root), most }),
        }
    }
}

impl PackagingArgs {
    /// The packaging that the options ask for.
    pub fn packaging(&self) -> Packaging {
        match self.limit() {
            Some(limit) => Packaging::Volumes { limit: self.parity.leaves(limit) },
            None if !self.media.is_empty() => Packaging::Volumes { limit: FAT_LIMIT },
            None if self.out().extension().is_some_and(|kind| kind == "tar") => Packaging::Archive,
            None => Packaging::Directory,
        }
    }

    /// The largest volume that was asked for, in bytes.
    pub fn limit(&self) -> Option<u64> {
        // What fits FAT32 is a byte less than what people say.
        self.volume_size.map(|size| if size == FAT_LIMIT + 1 { FAT_LIMIT } else { size })
    }

    /// Where the bundle is written, or the first medium of it.
    pub fn out(&self) -> &Path {
        let first = self.media.first().map(|medium| medium.root.as_path());
        self.out.as_deref().or(first).unwrap_or(Path::new("."))
    }

    /// Every place that the bundle is written to.
    pub fn places(&self) -> Vec<PathBuf> {
        match self.media.is_empty() {
            true => vec![self.out().to_owned()],
            false => self.media.iter().map(|medium| medium.root.clone()).collect(),
        }
    }
}

/// A time as the formats know it.
///
/// # Errors
/// Past the year 9999.
pub fn timestamp(seconds: u64) -> Result<Timestamp, Failure> {
    Timestamp::from_unix(seconds).map_err(|error| Failure::new(Exit::Usage, "bad-time", error))
}

/// `700MB`, `4GiB`, `1048576`.
///
/// # Errors
/// What a size looks like.
pub fn size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err("expected a size such as 700MB or 4GiB".to_owned()),
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(factor));
    count.filter(|size| *size > 0).ok_or_else(|| "expected a size such as 700MB or 4GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("1048576"), Ok(1 << 20));
        assert_eq!(size("4GiB"), Ok(1 << 32));
        assert_eq!(size("700MB"), Ok(700_000_000));
        for text in ["", "0", "-1", "4 GiB", "4XB", "GiB", "99999999999TiB", "1.5G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn four_gib_fits_fat32() {
        let parity = ParityArgs::default();
        let args = |volume_size| PackagingArgs {
            out: Some("x".into()),
            media: vec![],
            volume_size,
            parity,
        };
        assert_eq!(args(Some(1 << 32)).packaging(), Packaging::Volumes { limit: FAT_LIMIT });
        assert_eq!(args(Some(1 << 33)).packaging(), Packaging::Volumes { limit: 1 << 33 });
        assert_eq!(args(None).packaging(), Packaging::Directory);
        let media = vec!["m".parse().unwrap()];
        let args =
            |volume_size| PackagingArgs { out: None, media: media.clone(), volume_size, parity };
        assert_eq!(args(None).packaging(), Packaging::Volumes { limit: FAT_LIMIT });
        assert_eq!(args(Some(5)).packaging(), Packaging::Volumes { limit: 5 });
    }

    #[test]
    fn a_medium_may_have_a_size() {
        let medium = |text: &str| text.parse::<MediumArg>().map(|it| (it.root, it.most));
        assert_eq!(medium("/m/a"), Ok(("/m/a".into(), None)));
        assert_eq!(medium("/m/a=25GB"), Ok(("/m/a".into(), Some(25_000_000_000))));
        assert_eq!(medium("/m/k=v"), Ok(("/m/k=v".into(), None)));
        assert_eq!(medium("/m/k=v=1"), Ok(("/m/k=v".into(), Some(1))));
        assert!(medium("").is_err() && medium("=1GiB").is_err());
    }
}
