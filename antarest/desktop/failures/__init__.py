"""The page that is shown when the upgrade failed, and the explanations of errors."""
