use super::super::tests::{input, stream};
use super::super::{BlockStart, CONTEXT, Inflate};
use super::*;

const NAMES: [&str; 26] = [
    "go-flate-1:6",
    "go-flate-1:0",
    "go-flate-1:huffman",
    "go-flate-2:9",
    "klauspost-1:5",
    "klauspost-1a:4",
    "klauspost-2:huffman",
    "pgzip-1:1048576:klauspost-1:5",
    "pgzip-1:16385:klauspost-1a:4",
    "pgzip-1:16777216:klauspost-2a:9",
    "pgzip-1:262144:klauspost-2:huffman",
    "zlib-1:1",
    "zlib-1:9",
    "zlib-1:6:9",
    "gnugzip-1:6",
    "gnugzip-1:1:rsyncable",
    "pigz-1:6:131072",
    "pigz-1:9:32768:independent",
    "pigz-1:1:131072:single",
    "pigz-1:1:16777216",
    "zlib-1:4",
    "go-flate-1:4",
    "zstd-1.5.7:1",
    "zstd-1.5.7:19:workers:checksum:size",
    "zstd-1.5.7:3:checksum",
    "zstd-1.5.7:3:size",
];

#[test]
fn names_come_back_as_they_went() {
    for name in NAMES {
        let encoding: Encoding = name.parse().unwrap();
        assert_eq!(encoding.to_string(), name);
        // Each has an encoder, and one in mid-stream if it says so.
        let mut out = Vec::new();
        encoding.encoder(0).finish(&mut out);
        assert!(!out.is_empty(), "{name}");
        let before = vec![b'x'; 32 * 1024];
        let start = Start { plain: 1 << 24, bit: 0, before: &before };
        let aligned = (1 << 24) % 16_385 == 0 || name != "pgzip-1:16385:klauspost-1a:4";
        assert_eq!(
            encoding.resume(start).is_some(),
            encoding.resumable().is_some() && aligned,
            "{name}"
        );
    }
}

#[test]
fn every_other_text_is_refused() {
    let wrong = "
        go-flate-1 go-flate-1: go-flate-1:10 go-flate-1:-1 go-flate-1:-2 go-flate-1:+6
        go-flate-1:06 go-flate-1:6: go-flate-1:6:9 go-flate-3:6 Go-flate-1:6 go-flate-1:Huffman
        klauspost-1:-2 klauspost-1a:5 klauspost-2a:9 klauspost-3:1
        pgzip-1:16384:klauspost-1:5 pgzip-1:16777217:klauspost-1:5 pgzip-1:1048576:go-flate-1:5
        pgzip-1:1048576:go-flate-2:6 pgzip-1:1048576:klauspost-2a:6 pgzip-1:01048576:klauspost-1:5
        pgzip-1:1048576:klauspost-1a:5 pgzip-1:1048576 pgzip-1:1048576:klauspost-1:5:1
        pgzip-1:99999999999999999999:klauspost-1:5
        zstd-1.5.7 zstd-1.5.7:0 zstd-1.5.7:20 zstd-1.5.7:03 zstd-1.5.6:3 zstd-1.5.7:3:
        zstd-1.5.7:3:size:checksum zstd-1.5.7:3:checksum:checksum zstd-1.5.7:3:level
        zstd-1.5.7:3:workers:checksum:size:size
        zlib-1:0 zlib-1:10 zlib-1:6:8 zlib-1:+6 zlib-1:6:9:9 zlib-1:huffman
        gnugzip-1:0 gnugzip-1:6:rsync pigz-1:6 pigz-1:0:131072 pigz-1:10:131072 pigz-1:11:131072
        pigz-1:6:131073 pigz-1:6:32767 pigz-1:6:31744 pigz-1:6:16778240 pigz-1:6:131072:
        pigz-1:6:131072:dictionary pigz-1:6:131072:single:independent";
    for text in wrong.split_whitespace().chain(["", ":", " go-flate-1:6", "go-flate-1:6\n"]) {
        let refused = text.parse::<Encoding>();
        assert_eq!(refused, Err(UnknownEncoding(text.to_owned())));
    }
}

#[test]
fn only_some_can_be_taken_up_in_mid_stream() {
    let grain = |name: &str| name.parse::<Encoding>().unwrap().resumable();
    for name in ["go-flate-1:4", "go-flate-1:9", "zlib-1:4", "zlib-1:9:9"] {
        assert_eq!(grain(name), Some(Grain::AnyBlock), "{name}");
    }
    let none = ["go-flate-1:3", "go-flate-1:huffman", "go-flate-2:6", "klauspost-2:9"];
    for name in none.into_iter().chain(["zlib-1:3", "gnugzip-1:9", "pigz-1:9:131072:single"]) {
        assert_eq!(grain(name), None, "{name}");
    }
    assert_eq!(grain("pgzip-1:262144:klauspost-2:5"), Some(Grain::Plain(262_144)));
    assert_eq!(grain("pigz-1:1:131072:independent"), Some(Grain::Plain(131_072)));
}

/// The starts of blocks in a stream of `plain`.
fn blocks(stream: &[u8], plain: &[u8]) -> Vec<BlockStart> {
    let (mut inflate, mut blocks, mut at) = (Inflate::new(stream), Vec::new(), 0);
    while inflate.next().unwrap().is_some() {
        let piece = inflate.piece();
        assert!(piece == &plain[at..at + piece.len()]);
        at += piece.len();
        blocks.extend_from_slice(inflate.blocks());
    }
    assert_eq!(at, plain.len());
    blocks
}

/// The starts at which a stretch may begin.
fn starts(grain: Grain, blocks: &[BlockStart]) -> Vec<BlockStart> {
    let mut starts = blocks.to_vec();
    if let Grain::Plain(size) = grain {
        starts.retain(|start| start.plain % size == 0);
    }
    // The last of those with the same plain bytes before.
    starts.reverse();
    starts.dedup_by_key(|start| start.plain);
    starts.reverse();
    starts
}

#[test]
fn streams_are_taken_up_where_the_grain_says() {
    let plain = input("tar-37-262145");
    for name in [
        "go-flate-1:4",
        "go-flate-1:6",
        "zlib-1:6",
        "zlib-1:5:9",
        "pgzip-1:100000:klauspost-1:5",
        "pgzip-1:65536:klauspost-2:1",
        "pigz-1:6:131072",
        "pigz-1:1:65536",
        "pigz-1:3:32768:independent",
    ] {
        let encoding: Encoding = name.parse().unwrap();
        let whole = stream(encoding.encoder(plain.len() as u64), plain, usize::MAX);
        let starts = starts(encoding.resumable().unwrap(), &blocks(&whole, plain));
        assert!(starts.len() > 2, "{name}");
        for start in starts {
            let (at, byte) = (start.plain as usize, (start.bits / 8) as usize);
            let (bit, before) = ((start.bits % 8) as u8, &plain[at.saturating_sub(CONTEXT)..at]);
            let again = encoding.resume(Start { plain: start.plain, bit, before }).unwrap();
            let mut made = stream(again, &plain[at..], usize::MAX);
            // The lower bits belong to the block before.
            made[0] |= whole[byte] & ((1 << bit) - 1);
            assert!(made == whole[byte..], "{name}, {start:?}");
            let mut inflate = Inflate::resume(&whole[byte..], bit, before).unwrap();
            assert!(plain[at..].starts_with(inflate.next().unwrap().unwrap()), "{name}, {start:?}");
        }
    }
}
