"""Destinations of dlt's whose capabilities do not depend on configuration."""

from typing import Any

from dlt.common.destination import Destination, DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention


class FixedCapabilities(Destination[Any, Any]):
    """What the factory was made with tells all that there is to know.

    dlt asks a dozen times in a load, and resolves the whole configuration for each answer.
    """

    def capabilities(
        self, config: Any | None = None, naming: NamingConvention | None = None
    ) -> DestinationCapabilitiesContext:
        if config is None:
            config = self.spec()
            config.update(self.config_params)
        return super().capabilities(config, naming)
