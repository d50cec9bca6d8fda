"""A way to reach somebody. A failure that no repetition mends is permanent."""


class DeliveryError(Exception):
    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
