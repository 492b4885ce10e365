//! Signed notes (C2SP `signed-note`): a text, an empty line, and a line a signature, which holds the
//! name of the signer and, in base64, four bytes that tell its key and the signature.
//!
//! Withstands: names that hold blanks or plus signs, further bytes, other spellings of base64, more
//! than 16 signatures, control characters; a key of another kind under the same four bytes, for a
//! signature is tried with the keys of its reader only. Normative text: `formats/log.md`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::TrustError;
use super::key::{PublicKey, Signer};
use super::keyring::Signature;
use super::purpose::Purpose;
use super::scheme::Scheme;

const MAX_SIGNATURES: usize = 16;
const MAX_SIZE: usize = 64 * 1024;

/// A text and what was signed of it. The signatures are not believed before they are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    hint: [u8; 4],
    bytes: Vec<u8>,
}

/// Not a signed note. The input's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a signed note: a text, an empty line, and lines of signatures")]
pub struct InvalidNote;

impl Note {
    /// `text`, which ends in a line feed, signed in the name `name` by each of `signers`.
    ///
    /// # Errors
    /// When one cannot sign, or gives something else than a signature.
    pub fn sign(text: String, name: &str, signers: &[&dyn Signer]) -> Result<Note, TrustError> {
        let sign = |signer: &&dyn Signer| {
            let signature = Signature::by(*signer, Purpose::Log, text.as_bytes())?;
            let hint = hint(name, signer.public());
            Ok(NoteSignature { name: name.to_owned(), hint, bytes: signature.bytes })
        };
        let signatures = signers.iter().map(sign).collect::<Result<_, TrustError>>()?;
        Ok(Note { text, signatures })
    }

    /// The text that was signed, with its last line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The note as a text.
    pub fn to_text(&self) -> String {
        let line = |it: &NoteSignature| {
            let bytes = BASE64.encode([it.hint.as_slice(), &it.bytes].concat());
            format!("\u{2014} {} {bytes}\n", it.name)
        };
        format!("{}\n{}", self.text, self.signatures.iter().map(line).collect::<String>())
    }

    /// Reads a note. Whether its signatures hold is not asked here.
    ///
    /// # Errors
    /// [`InvalidNote`].
    pub fn parse(bytes: &[u8]) -> Result<Note, InvalidNote> {
        let read = || {
            let whole = std::str::from_utf8(bytes).ok().filter(|it| it.len() <= MAX_SIZE)?;
            let (text, rest) = whole.rsplit_once("\n\n")?;
            let lines = rest.strip_suffix('\n')?.split('\n');
            let signatures: Vec<_> = lines.map(signature).collect::<Option<_>>()?;
            Some(Note { text: format!("{text}\n"), signatures })
        };
        let note = read().filter(|it| it.signatures.len() <= MAX_SIGNATURES);
        // Whatever is spelled in another way shows here.
        note.filter(|it| it.to_text().as_bytes() == bytes && is_plain(&it.text)).ok_or(InvalidNote)
    }

    /// Whether `key` signed the note in the name `name`.
    ///
    /// # Errors
    /// [`TrustError::Threshold`] when there is no signature of it; [`TrustError::BadSignature`] and
    /// its like when there is one that is not good.
    pub fn verify(&self, name: &str, key: &PublicKey) -> Result<(), TrustError> {
        let hint = hint(name, key);
        let own = |it: &&NoteSignature| it.name == name && it.hint == hint;
        let found = self.signatures.iter().find(own);
        let unknown = self.signatures.len();
        let found = found.ok_or(TrustError::Threshold { needed: 1, valid: 0, unknown })?;
        key.verify(Purpose::Log, self.text.as_bytes(), &found.bytes)
    }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control())
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let plain = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
    let bytes = BASE64.decode(bytes).ok()?;
    let (hint, bytes) = bytes.split_first_chunk::<4>()?;
    plain.then(|| NoteSignature { name: name.to_owned(), hint: *hint, bytes: bytes.to_vec() })
}

/// The four bytes that tell the key: of the name, the kind of signature, and the key. Ed25519 has the
/// kind 1; the others have 255 and a name, as is laid down for kinds that have no number.
fn hint(name: &str, key: &PublicKey) -> [u8; 4] {
    let raw = key.raw();
    let (kind, raw) = match key.scheme() {
        // The key itself is the end of its SubjectPublicKeyInfo.
        Scheme::Ed25519 => (b"\x01".to_vec(), &raw[raw.len() - 32..]),
        scheme => ([b"\xffgapferry.".as_slice(), scheme.name().as_bytes(), b"\n"].concat(), raw),
    };
    let digest = Sha256::new().chain_update(name).chain_update("\n").chain_update(kind);
    let digest: [u8; 32] = digest.chain_update(raw).finalize().into();
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    #[test]
    fn is_read_as_it_was_written_and_verifies() {
        for scheme in [Scheme::Ed25519, Scheme::EcdsaP384] {
            let (key, other) =
                (SecretKey::generate(scheme).unwrap(), SecretKey::generate(scheme).unwrap());
            let note = Note::sign("a\n\nb\n".to_owned(), "x/y", &[&key]).unwrap();
            let read = Note::parse(note.to_text().as_bytes()).unwrap();
            assert_eq!(read, note);
            read.verify("x/y", key.public()).unwrap();
            for (name, key) in [("x/z", &key), ("x/y", &other)] {
                let refused = read.verify(name, key.public());
                assert!(matches!(refused, Err(TrustError::Threshold { valid: 0, .. })));
            }
            let changed = note.to_text().replace("\nb\n", "\nc\n");
            let changed = Note::parse(changed.as_bytes()).unwrap();
            let refused = changed.verify("x/y", key.public());
            assert!(matches!(refused, Err(TrustError::BadSignature { .. })));
        }
    }

    #[test]
    fn the_example_of_its_specification_verifies() {
        let key = SecretKey::generate(Scheme::Ed25519).unwrap();
        let raw = &key.public().raw()[12..];
        let line = [b"n\n\x01".as_slice(), raw].concat();
        assert_eq!(hint("n", key.public()), Sha256::digest(line)[..4]);
    }

    #[test]
    fn other_spellings_are_no_notes() {
        let good = "t\n\n\u{2014} n AAAAAAA=\n";
        assert!(Note::parse(good.as_bytes()).is_ok());
        for bad in [
            "",
            "t\n",
            "t\n\n",
            "t\n\n\u{2014} n AAAAAAA=",
            "t\n\n\u{2014} n AAAAAAA=\n\n",
            "t\n\n\u{2014} n+m AAAAAAA=\n",
            "t\n\n\u{2014}  AAAAAAA=\n",
            "t\n\n\u{2014} n AAAA\n",
            "t\n\n\u{2014} n AAAAAAB=\n",
            "t\n\n- n AAAAAAA=\n",
            "t\r\n\n\u{2014} n AAAAAAA=\n",
        ] {
            assert_eq!(Note::parse(bad.as_bytes()), Err(InvalidNote), "{bad:?}");
        }
        let many = format!("t\n\n{}", "\u{2014} n AAAAAAA=\n".repeat(17));
        assert!(Note::parse(many.as_bytes()).is_err());
    }
}
