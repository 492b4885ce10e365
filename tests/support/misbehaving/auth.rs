//! Who asks: challenges, and the tokens that the registry gives out itself.

use base64::Engine as _;

use super::http::{Reply, Seen, decoded};
use super::{Quirk, State};

/// Who may use a registry that asks.
pub(crate) const USER: &str = "robot";
/// The password of [`USER`].
pub(crate) const PASSWORD: &str = "correct-horse";
/// The refresh token that is good for tokens.
pub(crate) const REFRESH: &str = "refresh-token-of-robot";

impl State {
    /// The refusal of a request that does not show what this registry wants to see.
    pub(super) fn unauthorised(&self, seen: &Seen, repository: &str) -> Option<Reply> {
        let shown = seen.header("authorization");
        if self.has(Quirk::AsksBasic) {
            let text = format!("{USER}:{PASSWORD}");
            let basic = base64::engine::general_purpose::STANDARD.encode(text);
            let fits = shown == Some(format!("Basic {basic}").as_str());
            return (!fits).then(|| refusal("Basic realm=\"test\"".to_owned()));
        }
        let uses = self.say(|quirk| match quirk {
            Quirk::AsksToken
            | Quirk::NewRepositoriesHidden
            | Quirk::TokensForRefresh
            | Quirk::OneRepositoryAToken
            | Quirk::RealmInPlainHttp => Some(usize::MAX),
            Quirk::TokensWearOut(count) => Some(*count),
            _ => None,
        })?;
        let token = shown.and_then(|text| text.strip_prefix("Bearer "));
        let mut store = self.store();
        let reads = matches!(seen.method.as_str(), "GET" | "HEAD");
        let is_there = store.manifests.keys().any(|(name, _)| name == repository);
        let hidden = self.has(Quirk::NewRepositoriesHidden) && !is_there;
        let push = if reads && !hidden { "pull" } else { "push" };
        let fits = token.and_then(|token| store.tokens.get_mut(token)).is_some_and(|token| {
            token.1 += 1;
            let of_it = format!("repository:{repository}:");
            token.1 <= uses && token.0.contains(&of_it) && token.0.contains(push)
        });
        let realm = match self.has(Quirk::RealmInPlainHttp) {
            true => "http://tokens.test/token".to_owned(),
            false => format!("http://{}/token", seen.header("host").unwrap()),
        };
        (!fits).then(|| refusal(format!("Bearer realm=\"{realm}\",service=\"test\"")))
    }

    /// Gives out a token for the scopes asked for.
    pub(super) fn token(&self, seen: &Seen) -> Reply {
        let form = String::from_utf8(seen.body.clone()).unwrap();
        let field = |name: &str| {
            let pair = form.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.map(|value| decoded(value.trim_start_matches('=')))
        };
        let scope = field("scope").or_else(|| seen.query.get("scope").cloned()).unwrap_or_default();
        let by_refresh = self.has(Quirk::TokensForRefresh);
        if by_refresh && field("refresh_token").as_deref() != Some(REFRESH) {
            return Reply::error(401, "UNAUTHORIZED", "no such refresh token");
        }
        // What grows with every scope outgrows a proxy's limit on headers at last.
        if self.has(Quirk::OneRepositoryAToken) && scope.matches("repository:").count() > 1 {
            return Reply::error(400, "HEADER", "the token would be too long");
        }
        let mut store = self.store();
        let token = format!("token-{}", store.tokens.len());
        store.tokens.insert(token.clone(), (scope, 0));
        let name = if by_refresh { "access_token" } else { "token" };
        let answer = serde_json::json!({name: token, "expires_in": 300});
        Reply::new(200).body("application/json", answer.to_string().into_bytes())
    }
}

fn refusal(challenge: String) -> Reply {
    let reply = Reply::error(401, "UNAUTHORIZED", "authentication required");
    reply.header("www-authenticate", challenge)
}
