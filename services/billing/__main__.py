from services.billing.app import service
from shared.runtime import main

main(service)
