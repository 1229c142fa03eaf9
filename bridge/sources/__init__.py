"""One file per kind of sender: verify its requests, parse its bodies into news of the directory."""
