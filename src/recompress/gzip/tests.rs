use super::*;

/// A stored block of `plain`, the last.
fn stored(plain: &[u8]) -> Vec<u8> {
    let length = plain.len() as u16;
    [[1].as_slice(), &length.to_le_bytes(), &(!length).to_le_bytes(), plain].concat()
}

fn member(header: &[u8], plain: &[u8]) -> Vec<u8> {
    let end = trailer(crc32fast::hash(plain), plain.len() as u64);
    [header, &stored(plain), &end].concat()
}

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 9, 0x6e, 0x88, 4, 255];

/// Flags, and the fields that they promise.
fn header(flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut header = [HEADER.as_slice(), fields].concat();
    header[3] = flags;
    header
}

fn read<R: Read>(gzip: &mut Gzip<R>) -> Result<Vec<u8>, GzipError> {
    let mut plain = Vec::new();
    while let Some(piece) = gzip.next()? {
        plain.extend_from_slice(piece);
    }
    assert!(gzip.next()?.is_none());
    Ok(plain)
}

fn error(file: &[u8]) -> GzipError {
    Gzip::new(file).and_then(|mut gzip| read(&mut gzip)).expect_err("an error")
}

#[test]
fn members_are_read_one_by_one() {
    let mut file = member(&HEADER, b"first");
    file.extend(member(&header(8, b"name\0"), b""));
    file.extend(b"more");
    let mut first = Gzip::new(&file[..]).unwrap();
    assert_eq!(read(&mut first).unwrap(), b"first");
    assert_eq!(first.header().raw(), HEADER);
    let mut rest = first.into_rest();
    assert!(!rest.is_at_end().unwrap());
    let mut second = Gzip::on(rest).unwrap();
    assert_eq!(read(&mut second).unwrap(), b"");
    assert_eq!(second.header().raw(), header(8, b"name\0"));
    let mut rest = second.into_rest();
    assert!(matches!(Header::parse(rest.peek(100).unwrap()), Err(GzipError::Magic)));
    rest.skip(4);
    assert!(rest.is_at_end().unwrap());
}

#[test]
fn blocks_are_counted_behind_the_header() {
    let file = member(&HEADER, b"plain");
    let mut gzip = Gzip::new(&file[..]).unwrap();
    gzip.next().unwrap();
    assert_eq!(gzip.blocks(), [BlockStart { plain: 0, bits: 0 }]);
}

#[test]
fn headers_tell_time_level_and_system() {
    let header = Header::parse(&HEADER).unwrap();
    assert_eq!((header.mtime(), header.xfl(), header.os()), (0x886e_0900, 4, 255));
}

#[test]
fn every_field_is_passed_over() {
    let fields = b"\x03\0abcname\0a comment\0";
    let mut full = header(EXTRA | NAME | COMMENT | HEADER_CRC, fields);
    let crc = crc32fast::hash(&full).to_le_bytes();
    full.extend(&crc[..2]);
    let parsed = Header::parse(&[full.as_slice(), b"behind"].concat()).unwrap();
    assert_eq!(parsed.raw(), full);
    for end in 0..full.len() {
        assert!(matches!(Header::parse(&full[..end]), Err(GzipError::Truncated)), "{end}");
    }
    *full.last_mut().unwrap() ^= 1;
    assert!(matches!(Header::parse(&full), Err(GzipError::HeaderChecksum)));
}

#[test]
fn strange_headers_are_refused() {
    assert!(matches!(error(b"PK\x03\x04 a zip file"), GzipError::Magic));
    assert!(matches!(error(&member(&header(0x20, b""), b"")), GzipError::Kind));
    assert!(matches!(error(b"\x1f\x8b\x07\0\0\0\0\0\0\xff"), GzipError::Kind));
    let long = |length| header(NAME, &[vec![b'n'; length], vec![0]].concat());
    assert!(Header::parse(&long(MAX_HEADER - 11)).is_ok());
    assert!(matches!(error(&long(MAX_HEADER - 10)), GzipError::LongHeader));
    assert!(matches!(Header::parse(&long(2 * MAX_HEADER)), Err(GzipError::LongHeader)));
    let extra = header(EXTRA, &[vec![0xff; 2], vec![b'e'; 0xffff]].concat());
    assert!(matches!(Header::parse(&extra), Err(GzipError::LongHeader)));
}

#[test]
fn the_trailer_has_to_fit() {
    let whole = member(&HEADER, b"some plain bytes");
    let at = whole.len();
    for (place, length) in [(at - 8, false), (at - 5, false), (at - 4, true), (at - 1, true)] {
        let mut wrong = whole.clone();
        wrong[place] ^= 0x40;
        match error(&wrong) {
            GzipError::Checksum => assert!(!length),
            GzipError::Length => assert!(length),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_end_anywhere_is_told() {
    let whole = member(&header(NAME, b"name\0"), b"some plain bytes");
    for end in 0..whole.len() {
        match error(&whole[..end]) {
            GzipError::Truncated => assert!(end < 15 || end >= whole.len() - 8, "{end}"),
            GzipError::Inflate(InflateError::Truncated) => assert!(end < whole.len() - 8, "{end}"),
            other => panic!("{end}: {other}"),
        }
    }
}

#[test]
fn the_length_is_taken_modulo_its_four_bytes() {
    assert_eq!(trailer(0x0403_0201, (7 << 32) + 5), [1, 2, 3, 4, 5, 0, 0, 0]);
}

#[test]
fn a_source_that_fails_in_mid_stream_is_told_from_damage() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let block = [&[0], &stored(&[7; 60_000])[1..]].concat();
    let front = [&HEADER[..], &block.repeat(8)].concat();
    let mut gzip = Gzip::new((&front[..]).chain(Failing)).unwrap();
    let error = loop {
        match gzip.next() {
            Ok(piece) => assert!(piece.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, GzipError::Read(error) if error.to_string() == "unplugged"));
}
