"""What `python -m fewshot_fer.demo_app` reads."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from omegaconf import MISSING, DictConfig

from fewshot_fer.errors import ConfigError
from fewshot_fer.verb_settings import read_settings


@dataclass
class DemoAppVerb:
    """Which run is shown, and to whom."""

    run: str = MISSING
    checkpoint: str | None = None  # best or last; null: what the run was to be tested with
    support: str | None = None  # a folder of classes or a stored support; null: the run's own
    align: bool = True  # find and align faces; false: the pictures are crops
    host: str = "127.0.0.1"  # the address listened on; 0.0.0.0 lets other machines in
    port: int = 7860
    max_mb: float = 20.0  # largest file that is taken, in megabytes
    device: str = "auto"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def validate_demo_app(config: DictConfig) -> DemoAppVerb:
    """Return the settings. Raises ConfigError naming the key and the fix."""
    settings = read_settings(config, DemoAppVerb)
    if not 1 <= settings.port <= 65535:
        raise ConfigError(f"port={settings.port} is out of range: it must be from 1 to 65535")
    if not 0 < settings.max_mb <= 1000:
        raise ConfigError(f"max_mb={settings.max_mb} is out of range: it must be above 0 to 1000")
    if settings.checkpoint not in (None, "best", "last"):
        raise ConfigError(f"checkpoint={settings.checkpoint} is not known: choose best or last")
    if settings.device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device={settings.device} is not known: choose auto, cpu or cuda")
    if settings.support is not None and not Path(settings.support).expanduser().exists():
        raise ConfigError(f"support={settings.support} is not there")
    return settings
