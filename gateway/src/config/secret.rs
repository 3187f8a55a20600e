//! Passwords from the environment or a file, so that the configuration file itself can be shown to anybody.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// The one password that is given, if any.
pub(super) fn password(
    clear: &Option<SecretString>,
    env: &Option<String>,
    file: &Option<PathBuf>,
    folder: &Path,
) -> Result<Option<SecretString>, String> {
    let given = usize::from(clear.is_some()) + usize::from(env.is_some()) + usize::from(file.is_some());
    if given > 1 {
        return Err("the password is given more than once (password, password_env, password_file)".to_string());
    }
    if let Some(name) = env {
        let value =
            std::env::var(name).map_err(|_| format!("environment variable {name} (password_env) is not set"))?;
        return Ok(Some(value.into()));
    }
    if let Some(path) = file {
        let path = folder.join(path);
        let text = std::fs::read_to_string(&path).map(SecretString::from);
        let text = text.map_err(|e| format!("cannot read password_file {}: {e}", path.display()))?;
        let line = text.expose_secret().lines().next().unwrap_or("");
        if line.is_empty() {
            return Err(format!("password_file {} has an empty first line", path.display()));
        }
        return Ok(Some(line.to_string().into()));
    }
    Ok(clear.clone())
}
