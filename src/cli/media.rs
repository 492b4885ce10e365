//! `--media`: how much goes to which medium, whether all of it fits, and what each label says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::bundles::PackagingArgs;
use super::failure::{Exit, Failure};
use super::output::{bytes, escaped};
use crate::bundle::{BundlePath, Medium, Packaging, Piece, Room, Spread, Sums, number_list};
use crate::files::{self, FAT_LIMIT, FileError, Space};
use crate::oci::{Digest, Hasher, MARK_BLOCK, read_block};
use crate::verify::{Contents, Location, VerifyError};

/// What each medium needs beside volumes and head files: blocks that are not full, and directories.
const SPARE: u64 = 1 << 20;

/// The media of a bundle and the volumes on each.
pub type Labels = Vec<(PathBuf, Vec<u32>)>;

/// The free bytes of file systems, by their numbers; less, as they are given away.
type Free = BTreeMap<u64, u64>;

/// The media of `args`, each with room for as many bytes of volumes as are free beside `heads` bytes
/// of head files, and on the first `journal` bytes of the journal. `begun` has the rooms of an export
/// that was interrupted. `None` without `--media`.
///
/// # Errors
/// `same-medium`, `fat-limit`; when a file system cannot be asked.
pub fn spread(
    args: &PackagingArgs,
    title: String,
    (heads, journal): (u64, u64),
    begun: Option<&[u64]>,
) -> Result<Option<Spread>, Failure> {
    if args.media.is_empty() {
        return Ok(None);
    }
    let (mut rooms, mut free) = (Vec::new(), Free::new());
    for (at, medium) in args.media.iter().enumerate() {
        let first = if at == 0 { journal } else { 0 };
        let spare = spare(heads).saturating_add(first);
        let bytes = room(args, at, &mut free)?.saturating_sub(spare);
        // What was promised to volumes when the export was begun is there, in part as volumes.
        let bytes = begun.and_then(|rooms| rooms.get(at)).copied().unwrap_or(bytes);
        rooms.push(Room { root: medium.root.clone(), bytes });
    }
    Ok(Some(Spread { rooms, title }))
}

/// What a medium needs beside volumes: `heads` bytes of head files, and what is not content.
pub fn spare(heads: u64) -> u64 {
    heads.saturating_add(SPARE)
}

/// Bytes for medium `at`. Media on one file system share what is free there.
fn room(args: &PackagingArgs, at: usize, free: &mut Free) -> Result<u64, Failure> {
    let medium = &args.media[at];
    let space = Space::at(&medium.root)?;
    let place = space.place.display();
    if let Packaging::Volumes { limit } = args.packaging() {
        if space.is_fat && limit > FAT_LIMIT {
            let message = format!("{place} is FAT, which holds no volume of {}", bytes(limit));
            let failure = Failure::new(Exit::Failed, "fat-limit", message);
            return Err(failure.hint("give --volume-size 4GiB, or none"));
        }
    }
    let shared = free.contains_key(&space.device);
    let left = free.entry(space.device).or_insert(space.free.unwrap_or(u64::MAX));
    let most = match medium.most {
        None if shared => {
            let message = format!("{place} is on the same file system as a medium before it");
            let failure = Failure::new(Exit::Usage, "same-medium", message);
            return Err(failure.hint("say how much of it each may have: --media DIR=SIZE,DIR=SIZE"));
        }
        most => most.unwrap_or(*left).min(*left),
    };
    *left -= most;
    Ok(most)
}

/// Refuses what does not fit the media, which are there at once or come in turn, with all figures.
/// `sizes` are those of all documents and blobs, in bytes, in their order.
///
/// # Errors
/// `no-space`.
pub fn check(
    spread: &Spread,
    (limit, in_turn): (u64, bool),
    sizes: impl IntoIterator<Item = u64>,
) -> Result<(), Failure> {
    let planned = spread.plan(limit, sizes, in_turn);
    if planned.over == 0 {
        return Ok(());
    }
    let mut rooms = spread.rooms.clone();
    // Those that come in turn are taken to be all alike.
    let times = if in_turn { format!(" on each of {}", rooms.len()) } else { String::new() };
    rooms.truncate(if in_turn { 1 } else { rooms.len() });
    let rooms = rooms.iter().map(|room| {
        let place = room.root.display();
        format!("{} on {}", bytes(room.bytes), escaped(&place.to_string()))
    });
    let needed = planned.media.iter().fold(planned.over, |sum, it| sum.saturating_add(*it));
    let message = format!(
        "needs {} in volumes; there is room for {}{times}; {} would not fit",
        bytes(needed),
        rooms.collect::<Vec<_>>().join(", "),
        bytes(planned.over)
    );
    let failure = Failure::new(Exit::Failed, "no-space", message);
    Err(failure.hint("name more or larger media; or choose another --volume-size"))
}

/// Refuses to go on with media that have not `needed` bytes free together.
///
/// # Errors
/// `no-space`.
pub fn check_rest(spread: &Spread, needed: u64) -> Result<(), Failure> {
    let spaces = spread.rooms.iter().filter_map(|room| Space::at(&room.root).ok());
    let free: Free = spaces.map(|it| (it.device, it.free.unwrap_or(u64::MAX))).collect();
    let free = free.into_values().fold(0, u64::saturating_add);
    if free >= needed {
        return Ok(());
    }
    let (needed, free) = (bytes(needed), bytes(free));
    let message = format!("needs {needed} more, and {free} are free on all media together");
    let failure = Failure::new(Exit::Failed, "no-space", message);
    Err(failure.hint("remove what else is on them, or begin anew on others with --restart"))
}

/// Which volumes lie on which medium.
pub fn labels(args: &PackagingArgs, medium: &Medium) -> Labels {
    let on = |root: &PathBuf| {
        let there = medium.volumes().iter().filter(|(_, file)| file.parent() == Some(root));
        there.map(|(number, _)| *number).collect()
    };
    args.media.iter().map(|it| (it.root.clone(), on(&it.root))).collect()
}

/// Reads every copy of the head files and trust documents back, from each medium.
///
/// # Errors
/// `damaged`; when a file cannot be read.
pub fn read_back(args: &PackagingArgs, contents: &Contents) -> Result<(), Failure> {
    for medium in &args.media {
        let copies = Medium::gather(std::slice::from_ref(&medium.root))?;
        for path in copies.paths().filter(|path| !matches!(path, BundlePath::Blob(_))) {
            let found = copies.get(path).zip(contents.medium().get(path));
            let Some((copy, first)) = found else { continue };
            files::forget_written(&copy.file())?;
            // The first was proven when it was read.
            if copy.read(first.size)? != first.read(first.size)? {
                let at = Location { file: copy.file(), offset: 0, length: copy.size };
                return Err(VerifyError::Damaged { path: *path, at }.into());
            }
        }
    }
    Ok(())
}

/// Reads a medium that is there alone back: every blob is what its name says; and what stands in `sums`,
/// if they are known.
///
/// # Errors
/// `damaged`; when a file cannot be read.
pub fn prove_alone(root: &Path, sums: Option<&Sums>) -> Result<(), Failure> {
    let medium = Medium::gather(&[root.to_owned()])?;
    let files: BTreeSet<PathBuf> =
        medium.paths().filter_map(|path| medium.get(path)).map(Piece::file).collect();
    files.iter().try_for_each(|file| files::forget_written(file))?;
    for path in medium.paths() {
        let expected = match path {
            BundlePath::Blob(blob) => Some(blob.digest()),
            path => sums.and_then(|sums| sums.get(path)).copied(),
        };
        let Some((piece, expected)) = medium.get(path).zip(expected) else { continue };
        if digest(piece)? != expected {
            let at = Location { file: piece.file(), offset: piece.offset(), length: piece.size };
            return Err(VerifyError::Damaged { path: *path, at }.into());
        }
    }
    Ok(())
}

fn digest(piece: &Piece) -> Result<Digest, FileError> {
    let (mut reader, mut hasher) = (piece.open()?, Hasher::sha256());
    let mut block = vec![0; MARK_BLOCK];
    loop {
        let count = read_block(&mut reader, &mut block);
        match count.map_err(|error| FileError::io("read", &piece.file(), error))? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&block[..count]),
        }
    }
}

/// The labels for people.
pub fn labels_text(labels: &Labels) -> String {
    let count: usize = labels.iter().map(|(_, volumes)| volumes.len()).sum();
    let line = |(at, (root, volumes)): (usize, &(PathBuf, Vec<u32>))| {
        let what = match volumes.len() {
            0 => "no volume".to_owned(),
            1 => format!("volume {} of {count}", number_list(volumes)),
            _ => format!("volumes {} of {count}", number_list(volumes)),
        };
        let root = escaped(&root.to_string_lossy());
        format!("medium {} of {}: {root}: {what}\n", at + 1, labels.len())
    };
    labels.iter().enumerate().map(line).collect()
}

/// The labels for programs.
pub fn labels_json(labels: &Labels) -> Value {
    let line = |(root, volumes): &(PathBuf, Vec<u32>)| json!({"medium": root.to_string_lossy(), "volumes": volumes});
    labels.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parity::ParityArgs;

    fn args(media: &str) -> PackagingArgs {
        let media = media.split(',').map(|it| it.parse().unwrap()).collect();
        PackagingArgs { out: None, media, volume_size: None, parity: ParityArgs::default() }
    }

    #[test]
    fn media_on_one_file_system_share_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().display();
        let rooms = |media: &str| {
            let spread = spread(&args(media), String::new(), (5, 7), None)?.unwrap();
            Ok::<_, Failure>(spread.rooms.iter().map(|room| room.bytes).collect::<Vec<_>>())
        };
        let two = rooms(&format!("{place}/a=3MiB,{place}/b=2MiB")).unwrap();
        assert_eq!(two, [(2 << 20) - 12, (1 << 20) - 5]);
        assert_eq!(rooms(&format!("{place}/a=3,{place}/b=2MiB")).unwrap()[0], 0);
        let refused = rooms(&format!("{place}/a=3MiB,{place}/b")).unwrap_err();
        assert_eq!((refused.exit, refused.code), (Exit::Usage, "same-medium"));
        assert!(rooms(&format!("{place}/a")).unwrap()[0] > SPARE);
        let all = rooms(&format!("{place}/a=99999TiB,{place}/b=1TiB")).unwrap();
        assert_eq!(all[1], 0);
    }

    #[test]
    fn what_was_begun_goes_on_with_the_rooms_that_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let media = format!("{}=3MiB", dir.path().display());
        let spread = spread(&args(&media), String::new(), (0, 0), Some(&[42])).unwrap().unwrap();
        assert_eq!(spread.rooms[0].bytes, 42);
    }

    #[test]
    fn what_does_not_fit_is_told_with_figures() {
        let room = |root: &str| Room { root: root.into(), bytes: 4096 };
        let rooms = vec![room("/m/a"), room("/m/b")];
        let spread = Spread { rooms, title: String::new() };
        assert_eq!(check(&spread, (4096, false), [512; 6]), Ok(()));
        let in_turn = check(&spread, (4096, true), [512; 7]).unwrap_err();
        assert!(in_turn.message.contains("for 4.00 KiB on /m/a on each of 2; "));
        let refused = check(&spread, (4096, false), [512; 7]).unwrap_err();
        assert_eq!((refused.exit, refused.code), (Exit::Failed, "no-space"));
        assert_eq!(
            refused.message,
            "needs 8.50 KiB in volumes; there is room for 4.00 KiB on /m/a, 4.00 KiB on /m/b; \
             512 B would not fit"
        );
    }
}
