//! Section `[agent]`: where the agent is, as whom it runs, and where it keeps what it knows.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Site files that are read at most: boot partition, data partition and a few more; each may be as long as a
/// configuration.
pub const MAX_SITE_FILES: usize = 8;
/// Characters of a site's name at most: it stands in a status line and in the head of the page.
const MAX_SITE: usize = 64;
/// Characters of a user's name at most (`LOGIN_NAME_MAX` of useradd(8)).
const MAX_USER: usize = 32;

/// Section `[agent]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Directory of the ring, keys and copies of databases.
    pub data_dir: PathBuf,
    /// Name of the branch office.
    pub site: Option<Site>,
    /// Files with settings of this office, laid over the configuration when they exist, later over earlier.
    pub site_files: SiteFiles,
    /// Who the agent becomes when root starts it; without one the owner of the data directory.
    pub user: Option<User>,
    /// Directory of an LED that shows how the agent is, such as `/sys/class/leds/ACT`.
    pub led: Option<PathBuf>,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("weir-data"),
            site: None,
            site_files: SiteFiles::default(),
            user: None,
            led: None,
        }
    }
}

/// Name of a branch office: 1 to 64 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Site(String);

impl Site {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Site {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let length = name.chars().count();
        // What `printable` would have to escape drives a terminal or forges a line.
        let is_plain = crate::log::printable(&name).to_string() == name && name.trim() == name;
        if (1..=MAX_SITE).contains(&length) && is_plain {
            return Ok(Self(name));
        }
        Err(format!(
            "must be a name of 1 to {MAX_SITE} printable characters without blanks around it; this has {length}"
        ))
    }
}

/// Names of site files, at most [`MAX_SITE_FILES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<PathBuf>")]
pub struct SiteFiles(Vec<PathBuf>);

impl SiteFiles {
    /// The names, in the order in which they are laid over each other.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }
}

impl TryFrom<Vec<PathBuf>> for SiteFiles {
    type Error = String;

    fn try_from(files: Vec<PathBuf>) -> Result<Self, String> {
        match files.len() {
            0..=MAX_SITE_FILES if files.iter().any(|file| file.as_os_str().is_empty()) => {
                Err("a file without a name; give its path, for example \"/efi/weir.toml\"".to_owned())
            }
            0..=MAX_SITE_FILES => Ok(Self(files)),
            count => Err(format!("{count} files are too many; name at most {MAX_SITE_FILES}")),
        }
    }
}

/// A user of this system, by name or number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum User {
    /// The user's number.
    Id(u32),
    /// The user's name.
    Name(String),
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl From<User> for String {
    fn from(user: User) -> Self {
        user.to_string()
    }
}

impl TryFrom<String> for User {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_name = !text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if (1..=MAX_USER).contains(&text.len()) && is_name && text.chars().all(fits) {
            return Ok(Self::Name(text));
        }
        Err(format!("`{text}` is no user; give a name such as \"weir\", or a number in quotes"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Agent, MAX_SITE_FILES, User};

    fn read(text: &str) -> Result<Agent, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_site_is_a_short_printable_name() {
        let site =
            |name: &str| read(&format!("site = {name:?}")).map(|agent| agent.site.unwrap().to_string());
        assert_eq!(site("Zürich 17 / Süd"), Ok("Zürich 17 / Süd".to_owned()));
        assert!(site(&"ü".repeat(64)).is_ok());
        let bell = read("site = \"a\\u0007b\"").unwrap_err();
        assert!(bell.contains("printable") && !bell.contains('\u{7}'), "{bell}");
        let long = "x".repeat(65);
        for refused in ["", " ", " x", long.as_str()] {
            assert!(site(refused).unwrap_err().contains("1 to 64"), "{refused:?}");
        }
    }

    #[test]
    fn eight_site_files_are_the_most() {
        let files = |count: usize| format!("site_files = [{}]", "\"/x\", ".repeat(count));
        assert_eq!(read(&files(MAX_SITE_FILES)).unwrap().site_files.iter().count(), 8);
        assert!(read(&files(9)).unwrap_err().contains("at most 8"));
        assert!(read("site_files = [\"\"]").unwrap_err().contains("without a name"));
    }

    #[test]
    fn a_user_is_a_name_or_a_number() {
        let user = |text: &str| read(&format!("user = {text:?}")).map(|agent| agent.user.unwrap());
        assert_eq!(user("weir"), Ok(User::Name("weir".to_owned())));
        assert_eq!(user("1001"), Ok(User::Id(1001)));
        for refused in ["", "-1", "a b", "99999999999", "weir:weir"] {
            assert!(user(refused).unwrap_err().contains("no user"), "{refused}");
        }
    }
}
