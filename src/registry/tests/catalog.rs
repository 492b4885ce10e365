//! Lists of tags and repositories, well kept and badly.

use super::*;

fn tags(server: &Server) -> Result<Option<Vec<String>>, RegistryError> {
    let found = client().tags(&repository(server))?;
    Ok(found.map(|tags| tags.iter().map(ToString::to_string).collect()))
}

fn names(count: std::ops::Range<usize>) -> String {
    count.map(|n| format!("\"t{n:05}\"")).collect::<Vec<_>>().join(",")
}

#[test]
fn tags_are_read_page_by_page_sorted_and_without_repeats() {
    let server = Server::start(|seen, _| match seen.target.split_once('?') {
        Some(("/v2/team/app/tags/list", "n=1000")) => {
            Reply::ok(r#"{"name":"team/app","tags":["b",null,"a"]}"#)
                .header("link", "</v2/team/app/tags/list?n=2&last=b>; rel=\"next\"")
        }
        _ => Reply::ok(r#"{"tags":["c","b"]}"#),
    });
    assert_eq!(tags(&server).unwrap().unwrap(), ["a", "b", "c"]);
    assert_eq!(server.seen().len(), 2);
    for (body, expected) in [(r#"{"name":"x","tags":null}"#, 0), (r#"{"tags":["a"]}"#, 1)] {
        let server = Server::replies(vec![Reply::ok(body)]);
        assert_eq!(tags(&server).unwrap().unwrap().len(), expected);
    }
    assert_eq!(tags(&Server::replies(vec![Reply::new(404)])).unwrap(), None);
}

#[test]
fn a_full_page_without_a_link_is_asked_to_be_gone_on_with() {
    let server = Server::start(|seen, _| match seen.target.rsplit_once("last=") {
        None => Reply::ok(format!("{{\"tags\":[{}]}}", names(0..1000))),
        Some((_, "t00999")) => Reply::ok(format!("{{\"tags\":[{}]}}", names(1000..1007))),
        Some((_, other)) => panic!("{other}"),
    });
    assert_eq!(tags(&server).unwrap().unwrap().len(), 1007);
    // A registry that does not know `last` says the same again.
    let same = Reply::ok(format!("{{\"tags\":[{}]}}", names(0..1000)));
    let server = Server::replies(vec![same]);
    assert_eq!(tags(&server).unwrap().unwrap().len(), 1000);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    let circle = Reply::ok(r#"{"tags":["a"]}"#).header("link", "<?n=1000>; rel=next");
    let elsewhere =
        Reply::ok(r#"{"tags":["a"]}"#).header("link", "<http://127.0.0.1:1/x>; rel=next");
    let bad = [r#"{"tags":["a b"]}"#, r#"{"tags":{}}"#, "<html>", r#"{"tags":[],"tags":["a"]}"#];
    for reply in bad.iter().map(Reply::ok).chain([circle, elsewhere]) {
        let found = tags(&Server::replies(vec![reply]));
        assert!(matches!(found, Err(RegistryError::Malformed { .. })), "{found:?}");
    }
    let server = Server::start(|_, count| match count {
        0 => Reply::ok(r#"{"tags":["a"]}"#).header("link", "<?page=2>; rel=next"),
        _ => Reply::new(404),
    });
    assert!(matches!(tags(&server), Err(RegistryError::NotFound { .. })));
}

#[test]
fn repositories_are_asked_for_with_a_scope_of_their_own() {
    let server = Server::start(|seen, _| {
        let host = seen.header("host").unwrap().to_owned();
        match (seen.target.split_once('?'), seen.header("authorization")) {
            (Some(("/token", query)), _) => {
                assert!(query.contains("scope=registry%3Acatalog%3A%2A"), "{query}");
                Reply::ok(r#"{"token":"t"}"#)
            }
            (Some(("/v2/_catalog", _)), Some("Bearer t")) => {
                Reply::ok(r#"{"repositories":["team/app","a"]}"#)
            }
            _ => Reply::new(401)
                .header("www-authenticate", format!("Bearer realm=\"http://{host}/token\"")),
        }
    });
    let found = client().repositories(&repository(&server)).unwrap();
    let paths: Vec<&str> = found.iter().map(Repository::path).collect();
    assert_eq!(paths, ["a", "team/app"]);
    let none = Server::replies(vec![Reply::new(404)]);
    let found = client().repositories(&repository(&none));
    assert!(matches!(found, Err(RegistryError::NotFound { .. })), "{found:?}");
}
