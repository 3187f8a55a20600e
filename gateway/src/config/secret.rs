//! Secrets from the environment or a file, so that the configuration file itself can be shown to anybody.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// The one secret that is given, if any: as `name`, `name_env` or `name_file`.
pub(super) fn secret(
    name: &str,
    clear: &Option<SecretString>,
    env: &Option<String>,
    file: &Option<PathBuf>,
    folder: &Path,
) -> Result<Option<SecretString>, String> {
    let given = usize::from(clear.is_some()) + usize::from(env.is_some()) + usize::from(file.is_some());
    if given > 1 {
        return Err(format!("the {name} is given more than once ({name}, {name}_env, {name}_file)"));
    }
    if let Some(variable) = env {
        let value =
            std::env::var(variable).map_err(|_| format!("environment variable {variable} ({name}_env) is not set"))?;
        return Ok(Some(value.into()));
    }
    if let Some(path) = file {
        let path = folder.join(path);
        let text = std::fs::read_to_string(&path).map(SecretString::from);
        let text = text.map_err(|e| format!("cannot read {name}_file {}: {e}", path.display()))?;
        let line = text.expose_secret().lines().next().unwrap_or("");
        if line.is_empty() {
            return Err(format!("{name}_file {} has an empty first line", path.display()));
        }
        return Ok(Some(line.to_string().into()));
    }
    Ok(clear.clone())
}
