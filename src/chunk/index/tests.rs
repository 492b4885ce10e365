use super::write::put;
use super::*;
use crate::tests::noise;

fn chunk(seed: u64) -> Chunk {
    Chunk::of(&noise(1 + (seed as usize * 7919) % 65536, seed))
}

fn layer(name: &str, kind: LayerKind, seeds: impl IntoIterator<Item = u64>) -> OpenedLayer {
    let chunks = seeds.into_iter().map(chunk).collect();
    OpenedLayer { digest: Digest::of(name.as_bytes()), kind, chunks }
}

/// Four layers that share chunks in every way, sorted by digest.
fn layers() -> Vec<OpenedLayer> {
    let gzip = LayerKind::Gzip { size: 123_456 };
    let mut layers = vec![
        layer("a", gzip, 0..20),
        layer("b", gzip, [40, 1, 41, 3, 4, 5, 42, 0, 0, 7, 7, 8, 43]),
        layer("c", LayerKind::Tar, (5..30).chain(0..6)),
        layer("d", LayerKind::Gzip { size: 20 }, []),
    ];
    let sha512 = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
    layers.push(OpenedLayer { digest: sha512, ..layer("", gzip, [3, 2, 1, 50]) });
    layers.sort_by_key(|layer| layer.digest);
    layers
}

fn parsed(inflated: &[u8]) -> Result<ChunkIndex, ChunkIndexError> {
    ChunkIndex::parse_inflated(inflated)
}

#[test]
fn is_read_as_it_was_written() {
    for layers in [layers(), vec![], vec![layer("d", LayerKind::Tar, [])]] {
        let index = ChunkIndex::new(layers.clone());
        let bytes = index.to_bytes().unwrap();
        let read = ChunkIndex::parse(&bytes).unwrap();
        assert_eq!(read, index);
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.layers().len(), layers.len());
        for (read, layer) in read.layers().zip(&layers) {
            let chunks: Vec<Chunk> = read.chunks().map(|(_, chunk)| chunk).collect();
            assert_eq!((read.digest(), read.kind()), (layer.digest, layer.kind));
            assert_eq!(chunks, layer.chunks);
            let mut next = 0;
            for (offset, chunk) in read.chunks() {
                assert_eq!(offset, next);
                next += u64::from(chunk.length());
            }
            assert_eq!(read.plain(), next);
            let size = if layer.kind == LayerKind::Tar { next } else { read.size() };
            assert_eq!(read.size(), size);
        }
    }
}

#[test]
fn the_order_of_layers_does_not_matter() {
    let mut turned = layers();
    turned.reverse();
    turned.push(turned[0].clone());
    assert_eq!(ChunkIndex::new(turned), ChunkIndex::new(layers()));
}

#[test]
fn places_are_the_first_ones() {
    let index = ChunkIndex::new(layers());
    let mut known = std::collections::HashSet::new();
    let all = index
        .layers()
        .flat_map(|layer| layer.chunks().map(move |(at, chunk)| (layer.digest(), at, chunk)));
    let first: Vec<_> = all.filter(|(_, _, chunk)| known.insert(*chunk)).collect();
    let places = index.places().map(|(layer, at, chunk)| (layer.digest(), at, chunk));
    assert_eq!(places.collect::<Vec<_>>(), first);
    assert_eq!(first.len(), index.chunk_count());
}

#[test]
fn a_chunk_costs_18_bytes_and_a_repeat_nearly_nothing() {
    let once = ChunkIndex::new(vec![layer("a", LayerKind::Tar, 0..2000)]);
    let size = once.to_bytes().unwrap().len();
    assert!((17 * 2000..18 * 2000 + 200).contains(&size), "{size}");
    let changed = (0..2000).map(|at| if at % 20 == 0 { at + 5000 } else { at });
    let twice = ChunkIndex::new(vec![
        layer("a", LayerKind::Tar, 0..2000),
        layer("b", LayerKind::Tar, changed),
    ]);
    let more = twice.to_bytes().unwrap().len() - size;
    assert!(more < 18 * 100 + 3 * 200, "{more}");
}

#[test]
fn every_truncation_is_told() {
    let index = ChunkIndex::new(layers());
    let inflated = index.inflated();
    assert_eq!(parsed(&inflated).unwrap(), index);
    for end in 0..inflated.len() {
        let error = parsed(&inflated[..end]).unwrap_err();
        match end < FORMAT.len() {
            true => assert!(matches!(error, ChunkIndexError::Format), "{end}: {error}"),
            false => assert!(matches!(error, ChunkIndexError::Truncated), "{end}: {error}"),
        }
    }
    let bytes = index.to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(matches!(ChunkIndex::parse(&bytes[..end]), Err(ChunkIndexError::Zstd(_))), "{end}");
    }
}

#[test]
fn no_flipped_bit_is_read_as_the_same_or_written_otherwise() {
    let index = ChunkIndex::new(layers());
    let inflated = index.inflated();
    for bit in 0..8 * inflated.len() {
        let mut bad = inflated.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = parsed(&bad) {
            assert_ne!(read, index);
            assert_eq!(read.inflated(), bad, "bit {bit}: two spellings of one index");
        }
    }
    let bytes = index.to_bytes().unwrap();
    for bit in 0..8 * bytes.len() {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let _ = ChunkIndex::parse(&bad);
    }
}

/// An index by hand: these chunks in the table, and behind it these bytes.
fn handmade(chunks: &[Chunk], layers: &[u8]) -> Vec<u8> {
    let mut out = FORMAT.to_vec();
    put(&mut out, chunks.len() as u64);
    chunks.iter().for_each(|chunk| out.extend(chunk.id().as_bytes()));
    chunks.iter().for_each(|chunk| out.extend((chunk.length() as u16 - 1).to_le_bytes()));
    [&out, layers].concat()
}

/// A tar layer of `plain` bytes with these runs, each a code and a length less one.
fn tar(digest: u8, plain: u64, runs: &[(u64, u64)]) -> Vec<u8> {
    let mut out = [&[32][..], &[digest; 32], &[0]].concat();
    put(&mut out, plain);
    for (code, more) in runs {
        put(&mut out, *code);
        put(&mut out, *more);
    }
    out
}

const GOOD: [(u64, u64); 1] = [(0, 1)];

fn two() -> ([Chunk; 2], u64) {
    let chunks = [Chunk::of(b"one"), Chunk::of(b"three")];
    (chunks, 8)
}

#[test]
fn runs_are_what_the_writer_makes() {
    let (chunks, plain) = two();
    let read = |plain: u64, runs: &[(u64, u64)]| {
        parsed(&handmade(&chunks, &[&[1][..], &tar(1, plain, runs)].concat()))
    };
    assert_eq!(read(plain, &GOOD).unwrap().layers().len(), 1);
    assert!(read(2 * plain, &[(0, 1), (1, 1)]).is_ok(), "both, and both again");
    for (plain, runs, why) in [
        (plain, &[(0, 2)][..], "a run past the table"),
        (plain, &[(0, u64::MAX >> 1)], "a run past every number"),
        (plain, &[(1, 0), (0, 1)], "a known chunk where none is known"),
        (plain, &[(2, 1)], "a chunk before the first"),
        (plain, &[(u64::MAX >> 1, 0)], "a start past every number"),
        (plain, &[(0, 0), (0, 0)], "a run cut in two"),
        (plain, &[(0, 0), (3, 0)], "the next new chunk as a known one"),
        (plain - 1, &[(0, 1)], "chunks longer than the layer"),
        (3 + 3, &[(0, 0), (3, 0)], "a chunk of another place than the layer's"),
    ] {
        let error = read(plain, runs).unwrap_err();
        assert!(matches!(error, ChunkIndexError::Run(_)), "{why}: {error}");
    }
    assert!(matches!(read(plain + 1, &GOOD), Err(ChunkIndexError::Truncated)));
    assert!(matches!(read(3, &[(0, 0)]), Err(ChunkIndexError::Unused)));
}

#[test]
fn each_fault_has_its_error() {
    let (chunks, plain) = two();
    let layer = |digest| tar(digest, plain, &GOOD);
    let again = |digest| tar(digest, plain, &[(1, 1)]);
    let with = |layers: &[u8]| parsed(&handmade(&chunks, layers));
    let sorted = [&[2][..], &layer(1), &tar(2, plain, &[(1, 1)])].concat();
    assert!(with(&sorted).is_ok());
    for other in [0, 1] {
        let layers = [&[2][..], &layer(1), &again(other)].concat();
        assert!(
            matches!(with(&layers), Err(ChunkIndexError::Order(Digest::Sha256(d))) if d == [other; 32])
        );
    }
    let behind = [&[1][..], &layer(1), &[0]].concat();
    assert!(matches!(with(&behind), Err(ChunkIndexError::Trailing)));
    assert!(matches!(with(&[0]), Err(ChunkIndexError::Unused)));
    assert!(matches!(with(&[1, 33]), Err(ChunkIndexError::DigestLength(33))));
    let mut kind = [&[1][..], &layer(1)].concat();
    kind[34] = 2;
    assert!(matches!(with(&kind), Err(ChunkIndexError::Kind(_, 2))));
    for number in [&[0x81, 0][..], &[0x80, 0x80, 0], &[0xff; 9], &[0xff; 10]] {
        assert!(matches!(with(number), Err(ChunkIndexError::Number)), "{number:?}");
    }
    let twice = handmade(&[chunks[0]; 2], &[&[1][..], &tar(1, 6, &GOOD)].concat());
    assert!(matches!(parsed(&twice), Err(ChunkIndexError::Twice(id)) if id == chunks[0].id()));
    for count in [3, 1 << 40, (1 << 63) - 1] {
        let mut huge = FORMAT.to_vec();
        put(&mut huge, count);
        huge.extend([0; 36]);
        assert!(matches!(parsed(&huge), Err(ChunkIndexError::Truncated)), "{count}");
    }
    let many = [&[0xff; 8][..], &[0x7f]].concat();
    assert!(matches!(with(&many), Err(ChunkIndexError::Truncated)), "layers without end");
    assert!(matches!(parsed(b"gapferry chunks v2\n\0\0"), Err(ChunkIndexError::Format)));
}

#[test]
fn chunks_without_end_are_refused() {
    let chunks: Vec<Chunk> = (0..2000).map(|seed| Chunk::of(&noise(100, seed))).collect();
    // All of them, and then all but the first again and again.
    let again = std::iter::repeat_n((2 * 1999, 1998), MAX_REFERENCES as usize / 1999);
    let runs: Vec<(u64, u64)> = [(0, 1999), (3, 1998)].into_iter().chain(again).collect();
    let index = handmade(&chunks, &[&[1][..], &tar(1, 1 << 40, &runs)].concat());
    assert!(matches!(parsed(&index), Err(ChunkIndexError::TooMany)));
}

#[test]
fn the_frame_is_one_and_small() {
    let bytes = ChunkIndex::new(layers()).to_bytes().unwrap();
    let behind = [&bytes[..], b"x"].concat();
    assert!(matches!(ChunkIndex::parse(&behind), Err(ChunkIndexError::BehindFrame)));
    let twice = [&bytes[..], &bytes].concat();
    assert!(matches!(ChunkIndex::parse(&twice), Err(ChunkIndexError::BehindFrame)));
    let plain = vec![0; MAX_INFLATED as usize + 1];
    let bomb = zstd::bulk::compress(&plain, 1).unwrap();
    assert!(matches!(ChunkIndex::parse(&bomb), Err(ChunkIndexError::Zstd(_))));
    let mut wide = zstd::bulk::Compressor::new(1).unwrap();
    wide.set_parameter(zstd::zstd_safe::CParameter::WindowLog(24)).unwrap();
    let wide = wide.compress(&plain[..1 << 25]).unwrap();
    assert!(matches!(ChunkIndex::parse(&wide), Err(ChunkIndexError::Zstd(_))));
}
