//! Opening a layer: which plain content it is made of.
//!
//! The bytes are those of the digest that the manifest states, and whoever made the image chose
//! them. Withstands: streams that inflate without end (in bounded memory), several members, garbage
//! behind the end, blocks of any length, large windows of zstd. What cannot be opened is carried as it is.

use crate::bundle::{Kind, Stored};
use crate::chunk::{BlobKind, Chunk, Cutter};
use crate::files::Section;
use crate::oci::read_block;
use crate::recompress::libzstd::{Frame, ZstdError};
use crate::recompress::{Gzip, GzipError, MAX_STRETCH, StreamError};

/// Plain bytes that are read at a time.
const PIECE: usize = 256 * 1024;
/// The most chunks of a layer: their list is kept in memory. 256 GiB of ordinary content.
const MAX_CHUNKS: usize = 1 << 24;

/// What a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Its bytes are its plain bytes.
    Tar,
    /// One gzip member.
    Gzip,
    /// One zstd frame.
    Zstd,
}

/// An opened layer.
#[derive(Debug)]
pub struct Opened {
    /// What it is.
    pub form: Form,
    /// How many plain bytes.
    pub plain: u64,
    /// Its chunks, from front to back.
    pub chunks: Vec<Chunk>,
    /// How a run of its plain bytes can be had without all that stands before, if it can.
    pub kind: Option<Kind>,
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
    let mut front = [0; BlobKind::NEEDS];
    let count = read_block(&mut blob.clone(), &mut front)?;
    let opened = match BlobKind::of(&front[..count]) {
        BlobKind::Gzip => open_gzip(blob),
        BlobKind::Tar => open_tar(blob),
        BlobKind::Zstd => open_zstd(blob),
        BlobKind::Other => return Ok(Look::Other),
    };
    match opened {
        Ok(opened) => Ok(Look::Opened(opened)),
        Err(StreamError::Read(error)) => Err(error),
        Err(_) => Ok(Look::Closed(Stored::Form)),
    }
}

fn open_tar(blob: &Section) -> Result<Opened, StreamError> {
    let mut chunks = Chunks::default();
    each_tar::<StreamError>(blob, &mut |piece| {
        chunks.write(piece);
        chunks.check()
    })?;
    Ok(chunks.finish(Form::Tar, Some(Kind::Plain)))
}

fn open_gzip(blob: &Section) -> Result<Opened, StreamError> {
    let mut gzip = Gzip::new(blob.clone())?;
    let (mut chunks, mut last, mut random) = (Chunks::default(), 0, true);
    while let Some(piece) = gzip.next()? {
        chunks.write(piece);
        chunks.check()?;
        for block in gzip.blocks() {
            random &= block.plain - last <= MAX_STRETCH;
            last = block.plain;
        }
    }
    random &= chunks.plain - last <= MAX_STRETCH;
    // Another member, or anything else, behind the first.
    match gzip.into_rest().is_at_end()? {
        true => Ok(chunks.finish(Form::Gzip, random.then_some(Kind::Gzip))),
        false => Err(GzipError::Kind.into()),
    }
}

fn open_zstd(blob: &Section) -> Result<Opened, StreamError> {
    let (mut frame, mut chunks) = (Frame::new(blob.clone())?, Chunks::default());
    while let Some(piece) = frame.next()? {
        chunks.write(piece);
        chunks.check()?;
    }
    // More frames, or some to be skipped: made to be read in parts.
    match frame.is_at_end()? {
        true => Ok(chunks.finish(Form::Zstd, None)),
        false => Err(ZstdError::Header.into()),
    }
}

#[derive(Default)]
struct Chunks {
    cutter: Cutter,
    plain: u64,
    chunks: Vec<Chunk>,
}

impl Chunks {
    fn write(&mut self, piece: &[u8]) {
        self.plain += piece.len() as u64;
        let chunks = &mut self.chunks;
        self.cutter.write(piece, |chunk| chunks.push(Chunk::of(chunk)));
    }

    /// More than is kept in memory: the layer is not opened.
    fn check(&self) -> Result<(), StreamError> {
        if self.chunks.len() > MAX_CHUNKS { Err(GzipError::Kind.into()) } else { Ok(()) }
    }

    fn finish(self, form: Form, kind: Option<Kind>) -> Opened {
        let Chunks { cutter, plain, mut chunks } = self;
        cutter.finish(|chunk| chunks.push(Chunk::of(chunk)));
        Opened { form, plain, chunks, kind }
    }
}

/// Gives all plain bytes of an opened layer to `take`, piece by piece.
///
/// # Errors
/// [`StreamError`], or what `take` gives.
pub fn each<E: From<StreamError>>(
    form: Form,
    blob: &Section,
    take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    match form {
        Form::Tar => each_tar(blob, take),
        Form::Gzip => {
            let mut gzip = Gzip::new(blob.clone()).map_err(StreamError::from)?;
            while let Some(piece) = gzip.next().map_err(StreamError::from)? {
                take(piece)?;
            }
            Ok(())
        }
        Form::Zstd => {
            let mut frame = Frame::new(blob.clone()).map_err(StreamError::from)?;
            while let Some(piece) = frame.next().map_err(StreamError::from)? {
                take(piece)?;
            }
            Ok(())
        }
    }
}

fn each_tar<E: From<StreamError>>(
    blob: &Section,
    take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (mut blob, mut buffer) = (blob.clone(), vec![0; PIECE]);
    loop {
        match read_block(&mut blob, &mut buffer).map_err(StreamError::Read)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}
