//! Who may ask: Basic authentication (RFC 7617), from an htpasswd file with bcrypt or one user.
//!
//! Withstands: guessing in bulk (two guesses are reckoned at a time, and names that nobody has take
//! as long as others), headers of any form, hashes that are not bcrypt (refused at the start).
//! Passwords are kept in no log and no error.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::oci::Digest;

/// Guesses that are reckoned at a time.
const GUESSES: usize = 2;
/// What an unknown user's password is held against: bcrypt of something that nobody knows.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuVY1tnHYhLrMtZNGhVH2BDuMHc2VaL4i";
/// The most that bcrypt may cost: 2^this rounds.
const MAX_COST: u32 = 15;

/// Why nobody could be let in. The input's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsersError {
    /// A line is not `user:hash` with a hash of bcrypt.
    #[error("line {0} is not a user and a hash of bcrypt")]
    Line(usize),
    /// A hash would take seconds for each guess.
    #[error("line {0} has a hash of a cost above {MAX_COST}")]
    Cost(usize),
    /// Nobody is in it.
    #[error("it names no user")]
    Empty,
}

/// Who may ask, and how they prove it.
pub struct Users {
    secrets: HashMap<String, Secret>,
    /// Digests of headers that were right: bcrypt is slow by design, and a pull is many requests.
    right: Mutex<HashSet<Digest>>,
    gate: Arc<Semaphore>,
}

#[derive(Clone)]
enum Secret {
    Bcrypt(String),
    /// The digest of a password.
    Digest(Digest),
}

impl Users {
    /// One user with a password.
    pub fn single(name: &str, password: &str) -> Users {
        let secret = Secret::Digest(Digest::of(password.as_bytes()));
        Users::of(HashMap::from([(name.to_owned(), secret)]))
    }

    /// The users of an htpasswd file, as `htpasswd -B` writes it.
    ///
    /// # Errors
    /// Every [`UsersError`].
    pub fn htpasswd(text: &str) -> Result<Users, UsersError> {
        let mut secrets = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fits = |(user, hash): &(&str, &str)| !user.is_empty() && cost(hash).is_some();
            let (user, hash) = line.split_once(':').filter(fits).ok_or(UsersError::Line(number))?;
            if cost(hash).is_some_and(|cost| cost > MAX_COST) {
                return Err(UsersError::Cost(number));
            }
            secrets.insert(user.to_owned(), Secret::Bcrypt(hash.to_owned()));
        }
        match secrets.is_empty() {
            true => Err(UsersError::Empty),
            false => Ok(Users::of(secrets)),
        }
    }

    fn of(secrets: HashMap<String, Secret>) -> Users {
        Users { secrets, right: Mutex::default(), gate: Arc::new(Semaphore::new(GUESSES)) }
    }

    /// True when an `Authorization` header names a user and the right password.
    pub(super) async fn admit(&self, header: Option<&[u8]>) -> bool {
        let Some(header) = header else { return false };
        let known = Digest::of(header);
        if self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(&known) {
            return true;
        }
        let Some((user, password)) = basic(header) else { return false };
        let nobody = || Secret::Bcrypt(NOBODY.to_owned());
        let secret = self.secrets.get(&user).cloned().unwrap_or_else(nobody);
        let Ok(_permit) = self.gate.acquire().await else { return false };
        let guess = spawn_blocking(move || secret.is(&password)).await;
        let right = guess.unwrap_or(false) && self.secrets.contains_key(&user);
        if right {
            self.right.lock().unwrap_or_else(PoisonError::into_inner).insert(known);
        }
        right
    }
}

impl Secret {
    fn is(&self, password: &str) -> bool {
        match self {
            Secret::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Secret::Digest(digest) => Digest::of(password.as_bytes()) == *digest,
        }
    }
}

/// The cost of a hash of bcrypt; `None` when it is none.
fn cost(hash: &str) -> Option<u32> {
    hash.parse::<bcrypt::HashParts>().ok().map(|parts| parts.get_cost())
}

/// User and password of a header.
fn basic(header: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, given) = text.split_once(' ')?;
    let bytes = BASE64.decode(given.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let fits = scheme.eq_ignore_ascii_case("basic");
    fits.then(|| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(users: &Users, header: &str) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(users.admit(Some(header.as_bytes())))
    }

    fn header(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    #[test]
    fn the_right_password_is_let_in() {
        let hash = bcrypt::hash("horse", 4).unwrap();
        let file = format!("# site\n\nann:{hash}\nbob:{hash}\n");
        for users in [Users::htpasswd(&file).unwrap(), Users::single("ann", "horse")] {
            for _ in 0..2 {
                assert!(admits(&users, &header("ann:horse")));
                for wrong in ["ann:Horse", "eve:horse", "ann", "", ":horse"] {
                    assert!(!admits(&users, &header(wrong)), "{wrong}");
                }
            }
            for malformed in ["", "Basic", "Basic ?", "Bearer YW5uOmhvcnNl"] {
                assert!(!admits(&users, malformed), "{malformed}");
            }
        }
    }

    #[test]
    fn other_hashes_are_refused() {
        let refused = |text: &str| Users::htpasswd(text).err().unwrap();
        assert_eq!(refused("\n# nobody\n"), UsersError::Empty);
        for line in ["ann:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=", "ann:$apr1$x$y", "ann", ":x"] {
            assert_eq!(refused(&format!("\n{line}")), UsersError::Line(2), "{line}");
        }
        let dear = bcrypt::hash("x", 4).unwrap().replace("$04$", "$20$");
        assert_eq!(refused(&format!("ann:{dear}")), UsersError::Cost(1));
        assert!(cost(NOBODY).is_some());
    }
}
