//! Layers: what is read of them, and what is made again.

use std::io::Write as _;

use gapferry::chunk::{self, Cutter, FRAME};
use gapferry::files::Section;
use gapferry::recompress::{self, Encoding, Gzip, Inflate, libzstd, trailer};

/// Plain bytes that a run looks at, at most.
const ENOUGH: usize = 64 << 20;

/// A gzip member, and a bare deflate stream.
pub fn inflate(data: &[u8]) {
    let mut seen = 0;
    if let Ok(mut gzip) = Gzip::new(data) {
        while let Ok(Some(piece)) = gzip.next() {
            seen += piece.len();
            if seen > ENOUGH {
                break;
            }
        }
    }
    let mut inflate = Inflate::new(data);
    while let Ok(Some(piece)) = inflate.next() {
        seen += piece.len();
        if seen > 2 * ENOUGH {
            break;
        }
    }
}

/// A zstd frame of somebody else.
pub fn zstd(data: &[u8]) {
    let Ok(mut frame) = libzstd::Frame::new(data) else { return };
    let mut seen = 0;
    while let Ok(Some(piece)) = frame.next() {
        seen += piece.len();
        if seen > ENOUGH {
            return;
        }
    }
    let _ = frame.is_at_end();
}

/// What is said to be made again, is.
pub fn proof(data: &[u8]) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(data).expect("bytes");
    let section = Section::whole(file).expect("a section");
    let Ok(Some(proof)) = recompress::prove(&section) else { return };
    let mut encoder = proof.encoding.encoder(0);
    let mut gzip = Gzip::new(data).expect("proven");
    let mut made = proof.header.clone();
    let (mut crc, mut length) = (crc32fast::Hasher::new(), 0);
    while let Some(piece) = gzip.next().expect("proven") {
        encoder.write(piece, &mut made);
        crc.update(piece);
        length += piece.len() as u64;
    }
    encoder.finish(&mut made);
    made.extend(trailer(crc.finalize(), length));
    assert!(made == data, "{} does not make it", proof.encoding);
}

/// Every encoder on any bytes: its stream inflates to them. The first byte chooses.
pub fn encoders(data: &[u8]) {
    const NAMES: [&str; 18] = [
        "go-flate-1:huffman",
        "go-flate-1:1",
        "go-flate-1:6",
        "go-flate-1:9",
        "go-flate-2:6",
        "klauspost-1:1",
        "klauspost-1:3",
        "klauspost-1:5",
        "klauspost-1a:4",
        "pgzip-1:65536:klauspost-2a:9",
        "klauspost-1:huffman",
        "pgzip-1:16385:klauspost-1:5",
        "zlib-1:1",
        "zlib-1:6",
        "gnugzip-1:6",
        "gnugzip-1:9:rsyncable",
        "pigz-1:6:32768",
        "pigz-1:9:32768:independent",
    ];
    let Some((choice, plain)) = data.split_first() else { return };
    let name = NAMES[usize::from(*choice) % NAMES.len()];
    let encoding = name.parse::<Encoding>().expect("an encoding");
    let mut encoder = encoding.encoder(plain.len() as u64);
    let mut made = Vec::new();
    for piece in plain.chunks(1 + plain.len() / 3) {
        encoder.write(piece, &mut made);
    }
    encoder.finish(&mut made);
    let mut inflate = Inflate::new(made.as_slice());
    let mut again = Vec::new();
    while let Some(piece) = inflate.next().expect("our own stream") {
        again.extend_from_slice(piece);
    }
    assert!(again == plain, "{encoding} loses bytes");
}

/// Chunks are the bytes, in whatever pieces they come.
pub fn cutter(data: &[u8]) {
    let cut = |size: usize| {
        let mut chunks: Vec<Vec<u8>> = Vec::new();
        let mut cutter = Cutter::new();
        for piece in data.chunks(size) {
            cutter.write(piece, |chunk| chunks.push(chunk.to_vec()));
        }
        cutter.finish(|chunk| chunks.push(chunk.to_vec()));
        chunks
    };
    let whole = cut(data.len().max(1));
    assert!(whole.concat() == data);
    assert!(whole == cut(data.len() / 5 + 1));
}

/// A frame; the first three bytes are the plain length that is claimed.
pub fn frame(data: &[u8]) {
    let Some((claim, bytes)) = data.split_at_checked(3) else { return };
    let claim = u32::from_le_bytes([claim[0], claim[1], claim[2], 0]) as usize;
    for plain in [claim, FRAME + 1] {
        if let Ok(plain_bytes) = chunk::decompress(bytes, plain) {
            assert_eq!(plain_bytes.len(), plain);
        }
    }
    let frame = chunk::compress(bytes, 1);
    assert!(chunk::decompress(&frame, bytes.len()).expect("our own frame") == bytes);
}
