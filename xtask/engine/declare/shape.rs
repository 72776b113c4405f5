//! What a text of each type looks like.

use std::borrow::Cow;

use super::parameter::Type;

/// Why a text is not of a type, and what to write. Neither holds anything of the text, which may be a secret.
pub type Misfit = (&'static str, &'static str);

impl Type {
    /// # Errors
    /// If the text is none of this type.
    pub fn fits(self, text: &str) -> Result<(), Misfit> {
        let (fits, help) = match self {
            Type::Host => return host(text),
            Type::Url => return url(text),
            Type::String | Type::Path | Type::Table => return Ok(()),
            Type::Integer => (text.parse::<i64>().is_ok(), "write decimal digits"),
            Type::Port => (text.parse::<u16>().is_ok_and(|port| port > 0), "write a number from 1 to 65535"),
            Type::Boolean => (["true", "false"].contains(&text), "write `true` or `false`"),
        };
        if fits { Ok(()) } else { Err(("it is another text", help)) }
    }

    /// A text that is the same for what means the same: RFC 3986 section 6.2.
    #[must_use]
    pub fn canonical(self, text: &str) -> Cow<'_, str> {
        let name = |text: &str| text.trim_end_matches('.').to_lowercase();
        match (self, text.split_once("://")) {
            (Type::Host, _) => name(text).into(),
            (Type::Url, Some((scheme, rest))) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
                let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                let (scheme, host) = (scheme.to_lowercase(), name(host.strip_suffix(port).unwrap_or(host)));
                format!("{scheme}://{user}@{host}{}", path.strip_suffix('/').unwrap_or(path)).into()
            }
            _ => text.into(),
        }
    }
}

/// A name as in RFC 1123 section 2.1, or an address; `_` is used by service names and permitted.
fn host(text: &str) -> Result<(), Misfit> {
    const HELP: &str = "write a name as in \"db.example.org\", or an address";
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    if text.contains("://") {
        return Err(("it is a URL", HELP));
    }
    if text.starts_with('[') && text.ends_with(']') {
        return Err(("its brackets belong to a URL", "write the address without them, as in \"::1\""));
    }
    if text.split_once('%').is_some_and(|(address, _)| address.parse::<std::net::Ipv6Addr>().is_ok()) {
        return Err(("its zone is one of this machine", "write the address without what follows `%`"));
    }
    if text.contains(':') {
        return Err(("it holds a port", "make the port a parameter of its own, of type \"port\""));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // RFC 3696 section 2: the last part of a name is no number, so that it cannot be taken for an address.
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(("its last part is a number, and it is no address", HELP));
    }
    if text.len() > 253 || !text.strip_suffix('.').unwrap_or(text).split('.').all(label) {
        return Err(("no host can be named so", HELP));
    }
    Ok(())
}

/// A scheme as in RFC 3986 section 3.1, and something behind it.
fn url(text: &str) -> Result<(), Misfit> {
    const HELP: &str = "write it with its scheme, as in \"https://example.org/path\"";
    let Some((scheme, rest)) = text.split_once(':') else { return Err(("it has no scheme", HELP)) };
    let scheme_ok = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !scheme_ok || !rest.starts_with("//") && scheme.contains('.') {
        return Err(("it has no scheme", HELP));
    }
    if rest.trim_start_matches('/').is_empty() && scheme != "file" {
        return Err(("nothing follows its scheme", HELP));
    }
    if text.contains(char::is_whitespace) {
        return Err(("it holds white space", "write it percent-encoded: `%20`"));
    }
    let port = authority(text).and_then(|authority| authority.rsplit_once(':')).map_or("", |(_, port)| port);
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_err() {
        return Err(("no port is beyond 65535", "correct its port"));
    }
    Ok(())
}

/// What stands between `//` and the path.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// Whether a URL has a password in it.
#[must_use]
pub fn holds_password(url: &str) -> bool {
    let user = authority(url).and_then(|authority| authority.rsplit_once('@')).map_or("", |(user, _)| user);
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}
