//! Case 85: lists of tags.

use super::*;

/// A registry with these quirks and five tags.
fn tagged(quirks: &[Quirk]) -> (Client, Misbehaving) {
    let (client, registry) = (client(), Misbehaving::with(quirks));
    push(&client, &registry, b"layer").unwrap();
    let target = RegistryTarget::new(client.clone());
    for name in ["a", "b", "c", "d"] {
        target.put_tag(&app(&registry), &tag(name), &image(b"layer", "")).unwrap();
    }
    registry.forget();
    (client, registry)
}

fn names(quirks: &[Quirk]) -> (Vec<String>, usize) {
    let (client, registry) = tagged(quirks);
    let tags = client.tags(&app(&registry)).unwrap().unwrap();
    (tags.iter().map(ToString::to_string).collect(), registry.count("GET", "/tags/list"))
}

fn all() -> Vec<String> {
    ["a", "b", "c", "d", "v1"].map(str::to_owned).to_vec()
}

#[test]
fn a_list_may_be_null() {
    assert_eq!(names(&[Quirk::TagsNull]), (Vec::new(), 1));
}

#[test]
fn pages_are_followed() {
    assert_eq!(names(&[]), (all(), 1));
    assert_eq!(names(&[Quirk::TagsInPages]), (all(), 3));
}

#[test]
fn a_size_that_is_refused_is_left_out() {
    assert_eq!(names(&[Quirk::PagesUpTo(1000)]), (all(), 1));
    assert_eq!(names(&[Quirk::PagesUpTo(100)]), (all(), 2));
}

#[test]
fn a_page_at_another_host_or_in_a_circle_is_refused() {
    for quirk in [Quirk::NextPageElsewhere, Quirk::PagesInACircle] {
        let (client, registry) = tagged(&[quirk]);
        let error = client.tags(&app(&registry)).unwrap_err();
        assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
        assert_eq!(registry.count("GET", "/tags/list"), 1);
    }
}
