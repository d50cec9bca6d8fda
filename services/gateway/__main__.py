from services.gateway.app import service
from shared.runtime import main

main(service)
