//! What people and other tools write.

use gapferry::oci::{Platform, Reference};
use gapferry::registry::Credentials;
use gapferry::select::{Lock, parse_list};
use gapferry::source::Location;

pub fn list(data: &[u8]) {
    let _ = parse_list("images.txt", data);
}

pub fn lock(data: &[u8]) {
    let Ok(lock) = Lock::parse("images.lock", data) else { return };
    let again =
        Lock::parse("images.lock", &lock.to_bytes()).expect("what we write is what we take");
    assert_eq!(again, lock);
}

/// Names, places and platforms: what is printed is what is read.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = text.parse::<Reference>() {
        assert_eq!(name.to_string().parse::<Reference>().expect("our own name"), name);
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().expect("our own platform"), platform);
    }
    let _ = text.parse::<Location>();
}

pub fn credentials(data: &[u8]) {
    let _ = Credentials::parse(data);
}
