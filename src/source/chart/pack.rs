//! A directory as the archive of a chart: always the same bytes for the same files.

use crc32fast::Hasher;

use super::{Chart, ChartError};
use crate::recompress::{Encode, go, trailer};

/// gzip's two bytes, deflate, no flags, no time, no notes, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const LEVEL: i32 = 6;

/// The files of `chart`, sorted, in the directory that has its name.
pub(super) fn archive(chart: &Chart) -> Result<Vec<u8>, ChartError> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in &chart.files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let path = format!("{}/{name}", chart.name);
        builder.append_data(&mut header, path, bytes.as_slice()).map_err(ChartError::Tar)?;
    }
    compress(&builder.into_inner().map_err(ChartError::Tar)?)
}

/// A gzip member.
pub(super) fn compress(plain: &[u8]) -> Result<Vec<u8>, ChartError> {
    let mut out = HEADER.to_vec();
    let mut encoder: Box<dyn Encode> = go::encoder(LEVEL).ok_or(ChartError::NoChart)?;
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    let mut crc = Hasher::new();
    crc.update(plain);
    out.extend_from_slice(&trailer(crc.finalize(), plain.len() as u64));
    Ok(out)
}
