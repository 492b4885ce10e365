use std::io::Cursor;

use super::*;
use crate::bundle::Packaging;
use crate::export::{BaseBundle, Bases, PackMode};
use crate::recompress::{Encoding, trailer};
use crate::tests::{Maker, noise};
use crate::verify::{Claims, claims};

/// A tar of one file: noise, then something that compresses.
fn tar(seed: u64) -> Vec<u8> {
    let content = [noise(5_000_000, 1), noise(100_000, seed), vec![7; 5_000_000]].concat();
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "file", &content[..]).unwrap();
    builder.into_inner().unwrap()
}

fn gzip(name: &str, plain: &[u8]) -> Vec<u8> {
    let encoding: Encoding = name.parse().unwrap();
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut encoder = encoding.encoder(plain.len() as u64);
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out.extend(trailer(crc32fast::hash(plain), plain.len() as u64));
    out
}

fn packed(maker: &Maker, name: &str, layers: &[Vec<u8>], mode: PackMode, bases: &Bases) {
    let images = [maker.image(&format!("{name}:1"), layers)];
    maker.pack(&images, name, Packaging::Directory, mode, bases, 2).unwrap();
}

/// What the workshop makes of a layer.
fn made(workshop: &Workshop<'_>, layer: &[u8]) -> Result<Vec<u8>, VerifyError> {
    let mut bytes = Vec::new();
    let mut reader = workshop.blob(&Digest::of(layer))?;
    reader.read_to_end(&mut bytes).map_err(VerifyError::from_io)?;
    Ok(bytes)
}

/// Plain content is the same wherever reading begins, and has an end.
fn check_content(workshop: &Workshop<'_>, digest: &Digest, plain: &[u8]) {
    let length = plain.len();
    for (at, count) in
        [(0, 1), (SEGMENT as usize - 1, 2), (length - 1, 1), (length / 3, length / 2)]
    {
        let mut out = vec![0; count];
        workshop.fill(digest, at as u64, &mut out).unwrap();
        assert!(out == plain[at..at + count], "{at}");
    }
    let past = workshop.fill(digest, length as u64 - 1, &mut [0; 2]);
    assert!(matches!(past, Err(VerifyError::Recipe { .. })));
}

#[test]
fn layers_are_made_from_packs() {
    let (maker, tar) = (Maker::new(), tar(2));
    let layers = [tar.clone(), gzip("go-flate-1:4", &tar), gzip("gnugzip-1:1", &tar)];
    packed(&maker, "bundle", &layers, PackMode::Always, &Bases::default());
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let catalog = bundle.get().catalog();
    assert_eq!((catalog.layers.len(), catalog.packs.len()), (3, 1));
    let workshop = Workshop::new(bundle.get(), None);
    for layer in &layers {
        assert!(made(&workshop, layer).unwrap() == *layer);
        let last = layer.len() / MARK_BLOCK;
        for block in [last, last - 1, 1] {
            let mut bytes = Vec::new();
            let mut reader = workshop.blob_from(&Digest::of(layer), block).unwrap();
            reader.read_to_end(&mut bytes).unwrap();
            assert!(bytes == layer[block * MARK_BLOCK..], "{block} of {last}");
        }
    }
    let pack = &catalog.packs[0];
    let mut plain = vec![0; pack.plain() as usize];
    workshop.fill(&pack.blob.digest, 0, &mut plain).unwrap();
    assert!(plain.len() < tar.len(), "it repeats itself");
    check_content(&workshop, &pack.blob.digest, &plain);
    let unknown = workshop.fill(&Digest::of(b"unknown"), 0, &mut [0]);
    assert!(matches!(unknown, Err(VerifyError::Story(StoryError::Unlisted(_)))));
}

#[test]
fn layers_are_made_from_a_stored_one() {
    let (maker, tar) = (Maker::new(), tar(3));
    let noise = noise(6_000_000, 4);
    let mut header = tar::Header::new_ustar();
    header.set_size(noise.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "noise", &noise[..]).unwrap();
    let other = builder.into_inner().unwrap();
    // The first shares nothing, so it is stored; the second is the same in another coat.
    let layers = [gzip("zlib-1:1", &other), gzip("go-flate-1:4", &other), tar];
    packed(&maker, "bundle", &layers, PackMode::Auto, &Bases::default());
    let bundle = maker.verify(&[maker.path("bundle")]).unwrap();
    let opened = &bundle.get().catalog().opened;
    assert!(opened.iter().any(|it| it.digest == Digest::of(&layers[0])), "{opened:?}");
    let workshop = Workshop::new(bundle.get(), None);
    for layer in &layers {
        assert!(made(&workshop, layer).unwrap() == *layer);
    }
    check_content(&workshop, &Digest::of(&layers[0]), &other);
}

/// A destination with these blobs.
struct Place(Vec<Vec<u8>>);

impl Destination for Place {
    fn open(&self, base: &Base, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let size = base.blob.size as usize;
        let blob = self.0.iter().find(|blob| blob.len() == size).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(blob[offset as usize..].to_vec())))
    }
}

#[test]
fn what_the_destination_gives_is_proven_before_it_is_used() {
    let (maker, old, new) = (Maker::new(), tar(5), tar(6));
    let (first, second) = (gzip("zlib-1:4", &old), gzip("go-flate-1:4", &new));
    packed(&maker, "first", std::slice::from_ref(&first), PackMode::Always, &Bases::default());
    let Claims { seal_digest: seal, lading, catalog, chunks, .. } =
        claims(&[maker.path("first")]).unwrap();
    let bases = Bases::new(vec![BaseBundle { seal, lading, catalog, chunks }]);
    packed(&maker, "second", std::slice::from_ref(&second), PackMode::Always, &bases);
    let bundle = maker.verify(&[maker.path("second")]).unwrap();
    let contents = bundle.get();
    assert_eq!(contents.catalog().bases.len(), 1);
    let base = contents.catalog().bases[0].blob.digest;
    assert_eq!(base, Digest::of(&first));

    let there = Place(vec![first.clone()]);
    let workshop = Workshop::new(contents, Some(&there));
    assert!(made(&workshop, &second).unwrap() == second);
    check_content(&workshop, &base, &old);

    let nowhere = made(&Workshop::new(contents, None), &second);
    assert!(matches!(nowhere, Err(VerifyError::AtDestination(digest)) if digest == base));
    let empty = Place(Vec::new());
    let missing = made(&Workshop::new(contents, Some(&empty)), &second);
    assert!(matches!(missing, Err(VerifyError::Content { digest, .. }) if digest == base));
    let mut changed = first;
    changed[2_500_000] ^= 1;
    let changed = Place(vec![changed]);
    let refused = made(&Workshop::new(contents, Some(&changed)), &second).map(|made| made.len());
    let Err(VerifyError::Destroyed { blob, offset }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((blob, offset), (base, 2 * MARK_BLOCK as u64));
}
