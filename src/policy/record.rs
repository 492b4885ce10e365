//! What a policy asks of the transfer record: which fields it has, and that two people had a hand in
//! it.
//!
//! Names are words that somebody wrote. That they are true is for those who sign to see.

use serde::Deserialize;

/// What the transfer record must say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordRule {
    /// Fields that must be there.
    #[serde(default)]
    pub require: Vec<RecordField>,
    /// Whether who approved it must be named, and be another than who prepared it.
    #[serde(default)]
    pub approver_differs: bool,
}

/// A field of the transfer record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordField {
    /// The request or change that it belongs to.
    Ticket,
    /// Who prepared it.
    Preparer,
    /// Who approved it.
    Approver,
    /// From where it goes.
    Source,
    /// Where it goes.
    Destination,
    /// How the medium is to be handled.
    Handling,
}

impl RecordField {
    /// The name, as a policy and a record have it.
    pub fn name(self) -> &'static str {
        match self {
            RecordField::Ticket => "ticket",
            RecordField::Preparer => "preparer",
            RecordField::Approver => "approver",
            RecordField::Source => "source",
            RecordField::Destination => "destination",
            RecordField::Handling => "handling",
        }
    }
}

/// What is wrong with a transfer record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordBreach {
    /// It does not say something.
    #[error("the transfer record does not say `{}`", .0.name())]
    Missing(RecordField),
    /// One person prepared and approved it.
    #[error("whoever prepared the transfer approved it too")]
    SamePerson,
}

impl RecordBreach {
    /// A word for scripts.
    pub fn code(self) -> &'static str {
        match self {
            RecordBreach::Missing(_) => "record-field-missing",
            RecordBreach::SamePerson => "same-person",
        }
    }
}

impl RecordRule {
    pub(super) fn demands(&self) -> bool {
        self.approver_differs || !self.require.is_empty()
    }

    /// Everything that it objects to in a record of which `said` gives the fields.
    pub fn check<'r>(&self, said: impl Fn(RecordField) -> Option<&'r str>) -> Vec<RecordBreach> {
        let mut wanted = self.require.clone();
        if self.approver_differs {
            wanted.extend([RecordField::Preparer, RecordField::Approver]);
        }
        let mut breaches: Vec<RecordBreach> = Vec::new();
        for field in wanted {
            let breach = RecordBreach::Missing(field);
            if said(field).is_none() && !breaches.contains(&breach) {
                breaches.push(breach);
            }
        }
        let person = |field| said(field).map(|name| name.trim().to_lowercase());
        let (preparer, approver) = (person(RecordField::Preparer), person(RecordField::Approver));
        if self.approver_differs && preparer.is_some() && preparer == approver {
            breaches.push(RecordBreach::SamePerson);
        }
        breaches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_people_are_two() {
        let rule = RecordRule { require: vec![RecordField::Ticket], approver_differs: true };
        let check = |preparer: Option<&'static str>, approver: Option<&'static str>| {
            rule.check(|field| match field {
                RecordField::Ticket => Some("1"),
                RecordField::Preparer => preparer,
                RecordField::Approver => approver,
                _ => None,
            })
        };
        assert_eq!(check(Some("Ann"), Some("Bob")), []);
        assert_eq!(check(Some("Ann"), Some(" ann")), [RecordBreach::SamePerson]);
        assert_eq!(check(Some("Ann"), None), [RecordBreach::Missing(RecordField::Approver)]);
        let none = rule.check(|_| None);
        let missing = [RecordField::Ticket, RecordField::Preparer, RecordField::Approver];
        assert_eq!(none, missing.map(RecordBreach::Missing));
    }
}
