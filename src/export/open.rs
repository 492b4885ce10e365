//! Opening a layer: which plain content it is made of.
//!
//! The bytes are those of the digest that the manifest states, and whoever made the image chose
//! them. Withstands: streams that inflate without end (in little memory), several members, garbage
//! behind the end, blocks of any length. What cannot be opened is carried as it is.

use crate::bundle::{Kind, Stored};
use crate::chunk::{ChunkId, Cutter};
use crate::files::Section;
use crate::oci::read_block;
use crate::recompress::{Gzip, GzipError, MAX_STRETCH};

/// Plain bytes that are read at a time.
const PIECE: usize = 256 * 1024;
/// Where tar archives say what they are (POSIX, ustar).
const USTAR: (usize, &[u8]) = (257, b"ustar");
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// An opened layer.
#[derive(Debug)]
pub struct Opened {
    /// How its plain bytes are had from it.
    pub kind: Kind,
    /// How many plain bytes.
    pub plain: u64,
    /// Its chunks, from front to back.
    pub chunks: Vec<(ChunkId, u32)>,
    /// Whether a run of its plain bytes can be had without all that stands before.
    pub random: bool,
}

/// What became of looking into a blob.
#[derive(Debug)]
pub enum Look {
    /// It is a layer, and this is in it.
    Opened(Opened),
    /// It is a layer in a form that is not opened.
    Closed(Stored),
    /// It is something else.
    Other,
}

/// Looks into a blob.
///
/// # Errors
/// When the file cannot be read.
pub fn open(blob: &Section) -> std::io::Result<Look> {
    let mut front = [0; 512];
    let count = read_block(&mut blob.clone(), &mut front)?;
    let front = &front[..count];
    let opened = if front.starts_with(GZIP) {
        open_gzip(blob)
    } else if front.get(USTAR.0..).is_some_and(|rest| rest.starts_with(USTAR.1)) {
        open_tar(blob)
    } else if front.starts_with(ZSTD) {
        return Ok(Look::Closed(Stored::Form));
    } else {
        return Ok(Look::Other);
    };
    match opened {
        Ok(opened) => Ok(Look::Opened(opened)),
        Err(GzipError::Read(error)) => Err(error),
        Err(_) => Ok(Look::Closed(Stored::Form)),
    }
}

fn open_tar(blob: &Section) -> Result<Opened, GzipError> {
    let mut chunks = Chunks::default();
    each_tar::<GzipError>(blob, &mut |piece| {
        chunks.write(piece);
        Ok(())
    })?;
    Ok(chunks.finish(Kind::Plain, true))
}

fn open_gzip(blob: &Section) -> Result<Opened, GzipError> {
    let mut gzip = Gzip::new(blob.clone())?;
    let (mut chunks, mut last, mut random) = (Chunks::default(), 0, true);
    while let Some(piece) = gzip.next()? {
        chunks.write(piece);
        for block in gzip.blocks() {
            random &= block.plain - last <= MAX_STRETCH;
            last = block.plain;
        }
    }
    random &= chunks.plain - last <= MAX_STRETCH;
    Ok(chunks.finish(Kind::Gzip, random))
}

#[derive(Default)]
struct Chunks {
    cutter: Cutter,
    plain: u64,
    chunks: Vec<(ChunkId, u32)>,
}

impl Chunks {
    fn write(&mut self, piece: &[u8]) {
        self.plain += piece.len() as u64;
        let chunks = &mut self.chunks;
        self.cutter.write(piece, &mut |chunk| chunks.push(name(chunk)));
    }

    fn finish(self, kind: Kind, random: bool) -> Opened {
        let Chunks { cutter, plain, mut chunks } = self;
        cutter.finish(&mut |chunk| chunks.push(name(chunk)));
        Opened { kind, plain, chunks, random }
    }
}

fn name(chunk: &[u8]) -> (ChunkId, u32) {
    (ChunkId::of(chunk), u32::try_from(chunk.len()).expect("a chunk is small"))
}

/// Gives all plain bytes of an opened layer to `take`, piece by piece.
///
/// # Errors
/// [`GzipError`], or what `take` gives.
pub fn each<E: From<GzipError>>(
    kind: Kind,
    blob: &Section,
    take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    if kind == Kind::Plain {
        return each_tar(blob, take);
    }
    let mut gzip = Gzip::new(blob.clone())?;
    while let Some(piece) = gzip.next()? {
        take(piece)?;
    }
    Ok(())
}

fn each_tar<E: From<GzipError>>(
    blob: &Section,
    take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (mut blob, mut buffer) = (blob.clone(), vec![0; PIECE]);
    loop {
        match read_block(&mut blob, &mut buffer).map_err(GzipError::Read)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}
